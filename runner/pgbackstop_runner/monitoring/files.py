"""Rules, dashboards and the scrape job, out of the installed package.

Who installs the wheel has no clone to copy them from; here they are links to those of the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.store import atomic

SCRAPE_NAME = "prometheus.yml"
# What is to be read by Prometheus and Grafana, whose accounts are others'; nothing secret is in it.
FILE_MODE = 0o644
_KINDS = ("rules", "dashboards", "kubernetes")
_SCRAPE = """\
# For Prometheus: take these over into its configuration, or start it with this file as it is.
global:
  external_labels:
    # The alerts lead to their dashboard with it.
    grafana_url: {grafana_url}

rule_files:
  - {rules}/*.rules.yml

scrape_configs:
  - job_name: pgbackstop
    static_configs:
      - targets: ["{exporter}"]
"""


def export(folder: Path, *, exporter: str, grafana_url: str) -> Iterator[Path]:
    """Write every file below ``folder``, replacing those of an earlier version; yields each path.

    ``exporter`` is host and port as Prometheus reaches it. Raises ConfigError where it cannot be written.
    """
    for kind in _KINDS:
        for file in sorted(_shipped(kind), key=lambda each: each.name):
            yield _write(folder / kind / file.name, file.read_bytes())
    text = _SCRAPE.format(exporter=exporter, grafana_url=grafana_url, rules=folder.resolve() / "rules")
    yield _write(folder / SCRAPE_NAME, text.encode())


def _shipped(kind: str) -> list[Traversable]:
    return list((resources.files("pgbackstop_runner.monitoring") / kind).iterdir())


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, content)
        path.chmod(FILE_MODE)
    except OSError as error:
        raise errors.ConfigError(
            f"{error.filename or path} cannot be written: {error.strerror}.",
            remedy="Name a folder that you may write to.",
        ) from error
    return path
