"""Restores: what was put back, how it was checked, and how to go back from it.

One record is one restore, good or bad, written before anything is touched. Times are UTC, durations
seconds by the monotonic clock. Decisions over them (how long the next one will take) are pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.model import Count, Model, Seconds, UtcTime
from pgbackstop_catalog.records.attempt import RECORD_VERSION, Name, Reason, Status, Step
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import BackupId
from pgbackstop_catalog.records.proof import CheckResult, MissingEntry
from pgbackstop_catalog.text import said, word

What = Literal["logical", "recover"]
TargetKind = Literal["latest", "time", "lsn", "xid", "name", "immediate"]
# A first guess where nothing was restored yet: what one slow disk and two workers load.
FIRST_GUESS_BYTES_A_SECOND = 20 * 10**6
SAMPLES = 5
# What a restore fills, puts aside, or was undone: made and removed by us, and nobody's to back up.
_BESIDE = re.compile(r"__(?:restore|before|undone|drill)_[0-9a-f]{6}\Z")


def is_beside(database: str) -> bool:
    """Return whether a database's name is one that a restore or a drill gives: ``shop__restore_5f3a9c``."""
    return _BESIDE.search(database) is not None


class HookOutput(Model):
    """The result of an application's hook: its output is kept, because nobody was there to read it."""

    hook: Literal["stop", "start", "check"]
    ok: bool
    duration_seconds: Seconds
    output: str = ""


class Restore(Model):
    """One restore of a backup, into a database of a server or into a directory."""

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["restore"] = "restore"
    id: BackupId
    what: What = "logical"
    server: Name = Field(description="the server that was restored into")
    plan: Name
    backup: BackupId
    database: str = Field(default="", description="the database that was backed up")
    copy_in: Name | None = Field(
        default=None, description="the storage whose copy was restored; null: the backup itself"
    )
    source_reason: str = Field(default="", description="why its bytes were read there")
    target: str = Field(description="the database's name, or the directory")
    target_kind: TargetKind = "latest"
    target_value: str = ""
    method: Literal["swap", "in-place", "into", "selection"] = "swap"
    status: Status
    reason: Reason | None = None
    started_at: UtcTime
    finished_at: UtcTime | None = None
    duration_seconds: Seconds | None = None
    downtime_seconds: Seconds | None = Field(
        default=None, description="from the first connection ended to the application answering"
    )
    source_size_bytes: Count | None = Field(default=None, description="of the database when it was backed up")
    steps: tuple[Step, ...] = ()
    step: str = Field(default="", description="what is being done, while it runs")
    checks: tuple[CheckResult, ...] = ()
    missing_entries: tuple[MissingEntry, ...] = Field(
        default=(), description="of the dump, without which it was restored"
    )
    hooks: tuple[HookOutput, ...] = ()
    scratch_database: str = Field(
        default="", description="where it is filled before it takes its name; empty: under that"
    )
    replaced_database: str = Field(default="", description="the name that the old database was given")
    exchange_unknown: bool = Field(
        default=False, description="whether the server could not say if it was given that name"
    )
    undone_at: UtcTime | None = None
    undone_database: str = Field(default="", description="the name that undo gives the restored one")
    drop_began_at: UtcTime | None = Field(default=None, description="when its drop was begun")
    dropped_at: UtcTime | None = Field(default=None, description="when the old database was dropped")
    message: str = ""
    warnings: tuple[str, ...] = ()
    operator: str = ""
    host: str = ""
    pid: Count | None = None

    @property
    def short_id(self) -> str:
        """The six last digits of the id: what database names carry."""
        return self.id[-6:]

    @property
    def is_undoable(self) -> bool:
        """Return whether the old database is still there and whole, as far as the record knows."""
        return self.has_old and self.drop_began_at is None

    @property
    def has_old(self) -> bool:
        """Return whether something of the old database is still there, as far as the record knows."""
        return bool(self.replaced_database) and self.undone_at is None and self.dropped_at is None

    @property
    def is_unsettled(self) -> bool:
        """Return whether an exchange, a drop or an undo was begun, and nothing says yet what came of it."""
        begun = self.exchange_unknown or self.drop_began_at is not None or bool(self.undone_database)
        return self.has_old and begun


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The time that a restore should take, in seconds, and how that was found."""

    seconds: float
    reason: str


def estimate(backup: Backup, earlier: Iterable[Restore]) -> Estimate:
    """Estimate it from earlier restores of the same database; else from its size."""
    alike = [
        restore
        for restore in earlier
        if restore.status is Status.SUCCEEDED
        and (restore.server, restore.database, restore.what)
        == (backup.server, backup.database, "logical" if backup.backup_type == "logical" else "recover")
        and restore.method != "selection"
        and restore.duration_seconds
    ][:SAMPLES]
    rates = [
        restore.source_size_bytes / restore.duration_seconds
        for restore in alike
        if restore.source_size_bytes and restore.duration_seconds
    ]
    size = backup.source_size_bytes or backup.size_bytes or 0
    if rates and size:
        return Estimate(seconds=size / median(rates), reason=said("as fast as the last {n}", n=len(rates)))
    if alike:
        seconds = max(restore.duration_seconds or 0.0 for restore in alike)
        return Estimate(seconds=seconds, reason=said("as long as the last {n}", n=len(alike)))
    return Estimate(seconds=size / FIRST_GUESS_BYTES_A_SECOND, reason=word("guessed from its size"))
