"""The exporter as a process of its own, as a user starts it, and pages parsed by Prometheus' own client."""

import json
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support import forks, storages

# Between two looks of a source, in seconds.
PAUSES = dict.fromkeys(
    (
        "pgbackstop_exporter.supervisor.CATALOG_SECONDS",
        "pgbackstop_exporter.supervisor.DISCOVERY_SECONDS",
        "pgbackstop_exporter.supervisor.DISK_SECONDS",
        "pgbackstop_exporter.supervisor.POSTGRES_SECONDS",
    ),
    1.0,
)
DEADLINE = 120.0  # seconds; what is waited for takes one to fifteen
T = TypeVar("T")


class Gone(Exception):
    """The exporter ended where it should not; the text holds what it wrote."""


class Scrape:
    """One page. Samples are found by name and by some of their labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))

    def values(self, name: str, **labels: str) -> list[float]:
        """The values of every sample of that name that has these labels."""
        return [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one sample of that name and labels; None where there is none."""
        found = self.values(name, **labels)
        assert len(found) < 2, f"{name}{labels} is ambiguous"
        return found[0] if found else None


def write_config(path: Path, document: Mapping[str, Any]) -> Path:
    """A configuration file; paths may be given as such."""
    path.write_text(yaml.safe_dump(json.loads(json.dumps(document, default=str))))
    storages.create_for(path)
    return path


class Exporter:
    """A running exporter on a free loopback port; ended by its own process id.

    With ``tls`` it is asked over TLS, in that context. It looks more often than as shipped, unless ``pauses``
    say otherwise.
    """

    def __init__(
        self,
        config: Path,
        *flags: str,
        prefix: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        pauses: Mapping[str, float] | None = None,
    ) -> None:
        self.tls = tls
        words = ["--web.listen-address=127.0.0.1:0", f"--config.file={config}", "--log.format=json", *flags]
        self.lines: list[dict[str, Any]] = []
        self.process = _started(words, prefix, PAUSES if pauses is None else pauses)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = ""

    def __enter__(self) -> Self:
        try:
            line = self.until(lambda: self.logged("listening"))
        except BaseException:
            self.close()
            raise
        self.address = f"{'https' if self.tls else 'http'}://{line['address']}"
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(DEADLINE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def hang_up(self) -> None:
        """SIGHUP: read the configuration again."""
        self.process.send_signal(signal.SIGHUP)

    def logged(self, event: str, **fields: str) -> dict[str, Any] | None:
        """The newest line with that event and these fields."""
        wanted = {"event": event, **fields}
        return next((line for line in reversed(self.lines) if wanted.items() <= line.items()), None)

    def scrape(self) -> Scrape:
        """The page of metrics."""
        return Scrape(self.get("/metrics").decode())

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, method: str = "GET") -> bytes:
        """The body of a page. Raises urllib's HTTPError."""
        with self.open(path, headers=headers, method=method) as response:
            return response.read()

    def open(
        self, path: str, *, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> HTTPResponse:
        """The response. Raises urllib's HTTPError."""
        request = urllib.request.Request(self.address + path, headers=dict(headers or {}), method=method)  # noqa: S310 - our own loopback address
        response = urllib.request.urlopen(request, timeout=DEADLINE, context=self.tls)  # noqa: S310 - see above
        assert isinstance(response, HTTPResponse)
        return response

    def until(self, look: Callable[[], T | None]) -> T:
        """What `look` returns as soon as it is true. Fails after DEADLINE, or when the exporter ended."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            if self.process.poll() is not None:
                raise Gone(f"exit {self.process.returncode}: {self.lines}")
            time.sleep(0.05)
        raise AssertionError(f"did not happen within {DEADLINE:g} s; the exporter wrote {self.lines}")

    def until_page(self, condition: Callable[[Scrape], bool]) -> Scrape:
        """The first page for which `condition` holds."""

        def look() -> Scrape | None:
            page = self.scrape()
            return page if condition(page) else None

        return self.until(look)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"text": line})


def _started(
    words: Sequence[str], prefix: Sequence[str], pauses: Mapping[str, float]
) -> subprocess.Popen[str]:
    if not prefix:
        return forks.start(*words, program=forks.EXPORTER, stdout=subprocess.DEVNULL, pauses=pauses)
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", forks.EXPORTER, *words],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
