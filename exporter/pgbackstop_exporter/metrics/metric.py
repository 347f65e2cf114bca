"""What a metric is: its name, its labels, its help, and how its kinds are written down.

Rules, dashboards and docs/reference/metrics.md may use what is listed here and nothing else. No label
holds a backup id, a WAL name or a time: the number of series is bounded by plans, not by backups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["gauge", "counter"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Metric:
    """One family. ``help`` gives unit and meaning; ``source`` where the value comes from.

    ``volatile`` families are left out while their source fails; the others keep their last value. One with
    ``free_labels`` has those of the configuration, too.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    source: str
    volatile: bool = False
    free_labels: bool = False

    @property
    def shown_labels(self) -> str:
        """``{server, database}``; "" where it has none."""
        names = (*self.labels, *(["…"] if self.free_labels else []))
        return f"{{{', '.join(names)}}}" if names else ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Metrics that share their labels and a heading of the reference."""

    title: str
    about: str
    metrics: tuple[Metric, ...]


# Where values come from.
RECORDS: Final = "backup records"
CONFIG: Final = "configuration"
PROOFS: Final = "proof records"
COPIES: Final = "copy records"
WAL: Final = "state of the WAL receiver"
WAL_COPIER: Final = "state of the WAL copier"
READINGS: Final = "what was read back"
EXPIRE: Final = "notes of expire"
ASKED: Final = "PostgreSQL"

PLAN: Final = ("plan", "server", "database", "backup_type")
PLAN_COPY: Final = (*PLAN, "storage")
SERVER: Final = ("server",)
WAL_COPY: Final = ("server", "storage")
DISK: Final = ("path",)


def plan(name: str, text: str, source: str = "backup records", **more: bool) -> Metric:
    """A gauge of each plan and database."""
    return Metric(name=name, kind="gauge", labels=PLAN, help=text, source=source, **more)


def plan_copy(name: str, text: str, source: str) -> Metric:
    """A gauge of each plan, database and further storage."""
    return Metric(name=name, kind="gauge", labels=PLAN_COPY, help=text, source=source)


def server(name: str, text: str, source: str, **more: bool) -> Metric:
    """A gauge of each server."""
    return Metric(name=name, kind="gauge", labels=SERVER, help=text, source=source, **more)


def wal_copy(name: str, text: str, source: str = WAL_COPIER) -> Metric:
    """A gauge of each server and further storage."""
    return Metric(name=name, kind="gauge", labels=WAL_COPY, help=text, source=source)


def disk(name: str, text: str) -> Metric:
    """A gauge of each disk, left out while it does not answer."""
    return Metric(name=name, kind="gauge", labels=DISK, help=text, source="statvfs", volatile=True)


def own(name: str, text: str, source: str, labels: tuple[str, ...] = ()) -> Metric:
    """A gauge of the exporter itself."""
    return Metric(name=name, kind="gauge", labels=labels, help=text, source=source)


def counter(name: str, labels: tuple[str, ...], text: str, source: str) -> Metric:
    """A counter; its name ends in ``_total``."""
    return Metric(name=name, kind="counter", labels=labels, help=text, source=source)
