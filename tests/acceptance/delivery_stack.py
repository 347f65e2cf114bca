"""The road of an alert as a user has it, with the configuration of Alertmanager that pgbackstop wrote.

Prometheus and Alertmanager are real.
"""

import contextlib
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.receivers import PATIENCE, until
from tests.support import ports
from tests.support.backups import Site

RULES = Path(__file__).parents[2] / "alerts" / "pgbackstop.rules.yml"


def program(*names: str) -> str:
    """The first that is installed; skips where none is."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed: Debian's prometheus and prometheus-alertmanager have it")
    return found


@contextlib.contextmanager
def running(folder: Path, name: str, argv: list[str], ready: str) -> Iterator[None]:
    """A program until the end of the block, once the address ``ready`` answers; ended by its own id."""
    log = folder / f"{name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        return answers(ready)

    try:
        until(is_ready, f"{name} is ready")
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10):  # noqa: S310 - our own loopback address
            return True
    except OSError:
        return False


@contextlib.contextmanager
def alertmanager(folder: Path, config: Path, port: int) -> Iterator[None]:
    """A real one, with the file that pgbackstop wrote."""
    argv = [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(folder, "alertmanager", argv, f"http://127.0.0.1:{port}/-/ready"):
        yield


@contextlib.contextmanager
def prometheus(
    folder: Path, *, exporter: str, alertmanager_port: int, rules: Path, scrape: str, evaluate: str
) -> Iterator[None]:
    """A real one that scrapes the exporter at host:port."""
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": scrape, "evaluation_interval": evaluate},
                "rule_files": [str(rules)],
                "alerting": {
                    "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}]
                },
                "scrape_configs": [{"job_name": "pgbackstop", "static_configs": [{"targets": [exporter]}]}],
            }
        )
    )
    port = ports.free()
    argv = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(folder, "prometheus", argv, f"http://127.0.0.1:{port}/-/ready"):
        yield


def quick_rules(folder: Path) -> Path:
    """The shipped rules, waiting for a second where they wait for minutes: nothing else is changed."""
    document = yaml.safe_load(RULES.read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
            rule.pop("keep_firing_for", None)
    path = folder / "quick.rules.yml"
    path.write_text(yaml.safe_dump(document))
    return path


def change(site: Site, **sections: Mapping[str, Any]) -> None:
    """Adds to sections of the configuration that Site wrote."""
    document = yaml.safe_load(site.file.read_text())
    for name, content in sections.items():
        document[name] = {**document.get(name, {}), **content}
    site.file.write_text(yaml.safe_dump(document))
