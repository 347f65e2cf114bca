"""What the API takes and gives. Times are ISO 8601 in UTC, sizes bytes, durations seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_segments import WalGap
from pgbackstop_catalog.model import Count, Model, Seconds, UtcTime
from pgbackstop_catalog.records.attempt import Name
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.ids import BackupId
from pgbackstop_catalog.records.pin import Note
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.vanished import VanishedTable
from pgbackstop_runner.console.operation import State as OperationState
from pgbackstop_runner.console.operation import Verb
from pgbackstop_runner.overview.document import ServerStatus

State = Literal["available", "expired", "succeeded", "running", "failed", "interrupted", "missed"]
# PostgreSQL cuts longer names off; NUL is in none.
DatabaseName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
After = Annotated[BackupId | None, Field(description="the next page: what the page before gave as after")]
NextAfter = Annotated[BackupId | None, Field(description="for the next page; null: this is the last one")]


class Problem(Model):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str = ""
    operation: Operation | None = Field(default=None, description="what was waited for, where it failed")


class Started(Model):
    """What is common to all that can be waited for."""

    wait: bool = Field(default=False, description="answer when it is over: 200 when it succeeded, 424 if not")


class Window(Model):
    """Any moment from ``start`` to ``end`` can be recovered to; ``ends`` and ``reason`` say why it ends."""

    start: UtcTime
    end: UtcTime
    ends: Literal["received", "gap", "archive"]
    reason: str
    backup: BackupId
    timeline: int
    proven_until: UtcTime | None = Field(description="the latest moment that a drill recovered to")
    proven_by: BackupId | None
    verified_backup: BackupId | None = Field(description="its newest backup that was read back")
    verified_at: UtcTime | None


class Server(Model):
    """A server, its recovery windows, the oldest first, and what each further storage alone recovers."""

    status: ServerStatus
    windows: tuple[Window, ...] | None = Field(description="null: its archive cannot be read")
    gaps: tuple[WalGap, ...]
    copies: tuple[WalCopyState, ...]


class Servers(Model):
    """Every server of the configuration."""

    at: UtcTime
    servers: tuple[Server, ...]


class Plan(Model):
    """A plan, and its next runs; a paused one has none."""

    name: str
    server: str
    backup_type: str
    databases: Literal["all"] | tuple[str, ...]
    enabled: bool
    schedule: str = Field(description="cron expression, in the time zone")
    timezone: str
    next_runs: tuple[UtcTime, ...]


class Plans(Model):
    """Every plan of the configuration."""

    plans: tuple[Plan, ...]


class Verdict(Model):
    """What retention says of a backup, and why."""

    backup: BackupId
    database: str
    finished_at: UtcTime | None
    size_bytes: Count | None
    kept: bool
    reasons: tuple[str, ...]


class RetentionAsked(Model):
    """Which page is wanted."""

    limit: int = Field(default=50, ge=1, le=500, description="how many a page has at most")
    after: After = None


class Retention(Model):
    """What would stay and what would go now, the newest first; nothing is removed by asking."""

    plan: str
    stays: int
    goes: int
    goes_bytes: Count
    seen: str = Field(description="what says, when it is removed, that this is what would go")
    verdicts: tuple[Verdict, ...]
    after: NextAfter


class ExpireAsked(Started):
    """Remove what retention lets go."""

    seen: str = Field(max_length=64, description="what the plan's retention said under seen")


class Alert(Model):
    """An alert that fires."""

    name: str
    severity: Literal["critical", "warning"]
    summary: str
    since: UtcTime | None
    runbook: str = Field(description="its address, or empty")
    silenced: bool = Field(description="nobody is told of it")


class Alerts(Model):
    """What fires, by Alertmanager; null where that is unknown, or no Alertmanager is configured."""

    alerts: tuple[Alert, ...] | None
    problem: str = Field(description="why it is unknown")


class Deed(Model):
    """What somebody did, or was kept from doing; ``user`` is one of the console, or ``token NAME``."""

    at: UtcTime
    user: str
    address: str
    action: str
    subject: str = ""
    outcome: str = ""


class Audit(Model):
    """The last deeds, the newest first."""

    deeds: tuple[Deed, ...]


class BackupsAsked(Model):
    """Which attempts are wanted."""

    plan: Name | None = Field(default=None, description="only of this plan")
    database: DatabaseName | None = Field(default=None, description="only of this database")
    status: State | None = Field(
        default=None, description="only these; succeeded is available and expired together"
    )
    limit: int = Field(default=50, ge=1, le=500, description="how many a page has at most")
    after: After = None


class BackupSummary(Model):
    """One attempt, as lists show it."""

    id: BackupId
    plan: str
    server: str
    database: str
    backup_type: str
    method: str
    state: str
    started_at: UtcTime
    finished_at: UtcTime | None
    duration_seconds: Seconds | None
    size_bytes: Count | None
    reason: str | None
    message: str
    vanished: tuple[VanishedTable, ...] = Field(description="rows that were gone when it was made")


class BackupPage(Model):
    """Attempts, the newest first."""

    backups: tuple[BackupSummary, ...]
    after: NextAfter
    unreadable: tuple[str, ...] = Field(description="files that are no records; the others are here")


class BackupDetails(Model):
    """One attempt: its whole record, its copies and its proofs."""

    backup: Backup
    copies: tuple[Copy, ...]
    proofs: tuple[Proof, ...]


class PinAsked(Model):
    """Keep a backup, whatever retention says."""

    note: Note = Field(default="", description="why, for those who come later; one line")
    until: UtcTime | None = Field(default=None, description="when the pin ends; null: never by itself")


class BackupAsked(Model):
    """Make the backups of a plan now."""

    plan: Name
    databases: tuple[DatabaseName, ...] = Field(
        default=(), max_length=100, description="only these of the plan; all of them when empty"
    )
    pin: PinAsked | None = Field(default=None, description="keep them, whatever retention says")
    wait: bool = Field(
        default=False,
        description="answer when it is over: 200 when every backup is made, on disk and, where the plan "
        "verifies, read back; 424 when not. Never 200 before that.",
    )


class ProofAsked(Started):
    """Verify or drill a backup now."""


class OperationSummary(Model):
    """What was started here, as lists show it; ``exit_code`` is null while it runs, and if killed."""

    id: str
    verb: Verb
    subject: str = Field(description="the plan, or the backup")
    state: OperationState
    started_by: str
    started_at: UtcTime
    finished_at: UtcTime | None
    exit_code: int | None
    meaning: str = Field(description="of the exit code, in words")
    cancelled_by: str


class Operations(Model):
    """The last that were started here, by this daemon or an earlier one, the newest first."""

    operations: tuple[OperationSummary, ...]


class Operation(OperationSummary):
    """What was started here, what it wrote and what it made."""

    restore: Restore | None = Field(
        default=None, description="the record of what it restores or undoes, with its steps so far"
    )
    output: str = Field(description="the last lines that it wrote")
    backups: tuple[MadeBackup, ...] = Field(description="the attempts that it made so far")


class MadeBackup(Model):
    """An attempt of an operation."""

    id: BackupId
    database: str
    status: Literal["running", "succeeded", "failed", "interrupted", "missed"]
    message: str
    size_bytes: Count | None
    verified_at: UtcTime | None = Field(description="when every byte was read back; null: not yet")
    pinned: bool
    left_out: tuple[str, ...] = Field(description="tables that the plan leaves out, or their rows")
    warnings: tuple[str, ...]
