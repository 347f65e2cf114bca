"""A real Prometheus on a free loopback port, ended by its own process id."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from tests.support import ports

DATA = "data"  # where its samples lie, in the folder of a test
DEADLINE = 90.0  # seconds; what is waited for takes one to twenty


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: Debian's package prometheus has it")
    return found


class Prometheus:
    """Scrapes ``target`` (host:port, or several) every second, nothing where that is empty.

    It evaluates ``rules`` as often.

    ``jobs`` are further settings of each scrape of it, by the job's name; ``external_labels`` those of what
    it writes to ``receiver``, another one whose ``flags`` let it receive. As an ``agent`` it does only that.
    """

    def __init__(
        self,
        folder: Path,
        target: str | Sequence[str],
        rules: Path | None = None,
        *,
        jobs: Mapping[str, Mapping[str, Any]] | None = None,
        external_labels: Mapping[str, str] | None = None,
        receiver: Prometheus | None = None,
        agent: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        self._log = folder / "prometheus.log"
        self._address = f"127.0.0.1:{ports.free()}"
        config = folder / "prometheus.yml"
        targets = [target] if isinstance(target, str) else list(target)
        config.write_text(
            yaml.safe_dump(
                {
                    "global": {
                        "scrape_interval": "1s",
                        "evaluation_interval": "1s",
                        "external_labels": dict(external_labels or {}),
                    },
                    **({"rule_files": [str(rules)]} if rules else {}),
                    **({"remote_write": [{"url": receiver.write_address}]} if receiver else {}),
                    "scrape_configs": [
                        {"job_name": name, "static_configs": [{"targets": targets}], **settings}
                        for name, settings in (jobs or {"pgbackstop": {}}).items()
                        if target
                    ],
                }
            )
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={config}",
                    f"--web.listen-address={self._address}",
                    f"--storage.{'agent' if agent else 'tsdb'}.path={folder / DATA}",
                    *(["--enable-feature=agent"] if agent else []),
                    *flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        try:
            self.until(self._is_ready, "Prometheus is ready")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def write_address(self) -> str:
        """Where others write to."""
        return f"http://{self._address}/api/v1/write"

    def instant(self, expr: str) -> list[dict[str, Any]]:
        """The newest values. Fails with Prometheus' own words where it does not understand."""
        return self._ask("query", query=expr)

    def at(self, expr: str, moment: float) -> list[dict[str, Any]]:
        """The values at that Unix time."""
        return self._ask("query", query=expr, time=str(moment))

    def over_time(self, expr: str, *, seconds: float = 60.0) -> list[dict[str, Any]]:
        """The values of the last ``seconds``, one a second."""
        now = time.time()
        return self.between(expr, now - seconds, now, 1)

    def between(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The values from one Unix time to another, one each ``step`` seconds."""
        return self._ask("query_range", query=expr, start=str(start), end=str(end), step=str(step))

    def until(self, look: Callable[[], bool], what: str) -> None:
        """Wait until that is true. Fails after DEADLINE, or when Prometheus ended."""
        end = time.monotonic() + DEADLINE
        while not look():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, (
                f"{what}: not within {DEADLINE:g} s; {self._log.read_text()[-3000:]}"
            )
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=DEADLINE):
                return True
        except OSError:
            return False

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        address = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=DEADLINE) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters['query']}: {error.read().decode()}") from error
        assert not answer.get("warnings"), answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found
