"""What the sources know, as frozen values: all that the metrics are computed from.

Times are Unix seconds (0 = never), sizes bytes. A value here says nothing about whether its source still
answers: that is the Health of the collector that brought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.discovered import Servers
from pgbackstop_catalog.decisions import subjects
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.decisions.history import History
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_holds import WalHold
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals


@dataclass(frozen=True, kw_only=True)
class CopyFacts:
    """Copies of one subject in one storage: when that of the newest backup ended, and all failed tries.

    ``newest`` is the id of that backup. ``verified`` and ``drilled`` are when a copy was last read back, and
    last restored for real, ``damaged`` how many were found damaged and not made anew, ``oldest_read`` when
    that good one was read whose reading is the longest ago. The two of ``outliving`` are of copies whose
    backup has expired: they are kept where the storage says how long, and else on their way out.
    """

    newest: str = ""
    success: float = 0.0
    failures: int = 0
    verified: float = 0.0
    drilled: float = 0.0
    damaged: int = 0
    oldest_read: float | None = None
    outliving_damaged: int = 0
    outliving_oldest_read: float | None = None

    def all_kept(self) -> CopyFacts:
        """The facts where copies are kept for longer than what they are of."""
        oldest = min(filter(None, (self.oldest_read, self.outliving_oldest_read)), default=None)
        return replace(self, damaged=self.damaged + self.outliving_damaged, oldest_read=oldest)


@dataclass(frozen=True, kw_only=True)
class ProofFacts:
    """Proofs of one subject: when each last ended, how long the newest good drill took."""

    verified: float = 0.0
    drill_success: float = 0.0
    drill_failure: float = 0.0
    drill_duration: float | None = None
    proven_until: float = 0.0


class KeptBackup(NamedTuple):
    """A backup that is kept: its storage, and when every byte of it was last read."""

    storage: str
    last_read: float


@dataclass(frozen=True, kw_only=True)
class RestoreFacts:
    """Restores of one database, or of a whole server: when each last ended."""

    success: float = 0.0
    failure: float = 0.0
    duration: float | None = None


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """All records of one plan. A history of one database includes the attempts for the whole plan.

    ``kept`` are the backups that are still kept, by their ids.
    """

    histories: Mapping[Subject, History] = field(default_factory=dict)
    tally: Totals
    scheduled_until: float = 0.0
    dropped: frozenset[str] = frozenset()
    copies: Mapping[tuple[Subject, str], CopyFacts] = field(default_factory=dict)
    proofs: Mapping[Subject, ProofFacts] = field(default_factory=dict)
    physical: tuple[Attempt, ...] = ()
    kept: Mapping[Subject, Mapping[str, KeptBackup]] = field(default_factory=dict)

    def history(self, subject: Subject) -> History:
        """Of the subject, else of the whole plan where it has no attempt of its own yet."""
        return subjects.of(self.histories, subject)


@dataclass(frozen=True, kw_only=True)
class WorkerFacts:
    """A worker that did not stop: alive, or dead and not started anew."""

    host: str
    queues: tuple[str, ...]
    is_alive: bool


@dataclass(frozen=True, kw_only=True)
class DueRun:
    """A run that waits in a queue since ``asked``, or runs."""

    plan: str
    queue: str
    is_running: bool
    asked: float


@dataclass(frozen=True, kw_only=True)
class FleetFacts:
    """The workers of a catalog in PostgreSQL, the runs that they share, and what their WAL receivers know."""

    workers: tuple[WorkerFacts, ...] = ()
    runs: tuple[DueRun, ...] = ()
    wal: Mapping[str, WalState] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CatalogFacts:
    """The catalog as a whole; ``unreadable`` files are no records, or of a newer version.

    ``restores`` are by server, then by the database that was backed up (``""``: the whole server).
    ``storages`` are those that a catalog in PostgreSQL knows, ``fleet`` the workers around it.
    """

    plans: Mapping[str, PlanFacts] = field(default_factory=dict)
    wal: Mapping[str, WalState] = field(default_factory=dict)
    wal_readings: Mapping[str, WalReadings] = field(default_factory=dict)
    wal_copies: Mapping[tuple[str, str], WalCopyState] = field(default_factory=dict)
    wal_copy_readings: Mapping[tuple[str, str], WalReadings] = field(default_factory=dict)
    wal_holds: Mapping[tuple[str, str], WalHold] = field(default_factory=dict)
    restores: Mapping[str, Mapping[str, RestoreFacts]] = field(default_factory=dict)
    storages: Mapping[str, StorageMark] = field(default_factory=dict)
    fleet: FleetFacts | None = None
    scheduler: SchedulerState | None = None
    pending: int = 0
    notification_failures: Mapping[str, int] = field(default_factory=dict)
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class ServerHealth:
    """What a PostgreSQL server said. ``lsn`` is its end of WAL in bytes, None where it cannot tell.

    ``databases`` maps every database that can be backed up to when the exporter first saw it;
    ``clock_offset`` is how many seconds the server's clock is ahead of ours.
    """

    lsn: int | None
    databases: Mapping[str, float]
    slot_active: bool
    slot_retained: int | None
    ready_segments: int | None
    last_archived: float
    last_failed: float
    clock_offset: float | None = None


@dataclass(frozen=True, kw_only=True)
class DiskFacts:
    """A file system; ``free_inodes`` is None where it does not count files.

    ``missing`` are the ids of kept backups of which files are gone from the storage there, or were cut;
    ``lost`` are those of them that were in a storage which a person let another one take the place of.
    """

    free: int
    size: int
    free_inodes: int | None
    is_readonly: bool
    missing: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a collector fares; ``last_success`` 0 is never, ``duration`` None before the first run.

    ``reason`` is why a server did not answer, in fixed words.
    """

    success: bool = False
    duration: float | None = None
    last_success: float = 0.0
    error: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration in use. ``seen_at`` is the age of its file: since when its plans are expected.

    ``discovered`` are the servers that it was read with, as pgbackstop_catalog.config.discovered has them.
    """

    config: Config
    seen_at: float
    discovered: Servers = field(default_factory=dict)
    reload_success: bool = True


@dataclass(frozen=True, kw_only=True)
class DiscoveryFacts:
    """How a source of servers fares: whether its list was last taken, when, and how many it has."""

    success: bool
    last_success: float
    servers: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that is known at one moment."""

    settings: Settings
    catalog: CatalogFacts | None = None
    servers: Mapping[str, ServerHealth] = field(default_factory=dict)
    disks: Mapping[str, DiskFacts] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    discovery: Mapping[str, DiscoveryFacts] = field(default_factory=dict)

    def is_up(self, collector: str) -> bool:
        """Whether the collector's last run ended well."""
        return self.health.get(collector, Health()).success

    @property
    def missing(self) -> frozenset[str]:
        """Ids of kept backups whose files are gone, as far as the disks could be looked at."""
        return frozenset().union(*(disk.missing for disk in self.disks.values()))

    @property
    def lost(self) -> frozenset[str]:
        """Ids of those of them that somebody has given up with their storage."""
        return frozenset().union(*(disk.lost for disk in self.disks.values()))

    def has_run(self, collector: str) -> bool:
        """Whether the collector has ended once, well or badly."""
        return self.health.get(collector, Health()).duration is not None


CATALOG = "catalog"
DISCOVERY = "discovery"


def postgres_collector(server: str) -> str:
    """The name of the collector that asks a server."""
    return f"postgres:{server}"


def disk_collector(path: str) -> str:
    """The name of the collector that looks at a disk."""
    return f"disk:{path}"
