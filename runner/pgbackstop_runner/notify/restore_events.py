"""Events of a restore or a recovery: begun, succeeded, failed."""

from __future__ import annotations

from pgbackstop_catalog import units
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.notify import backup_events, events
from pgbackstop_runner.notify.events import Event, Kind, Severity
from pgbackstop_runner.system import log, phrases
from pgbackstop_runner.workspace import Workspace

_MOST_WORDS = 1500


def started(workspace: Workspace, restore: Restore) -> None:
    """An event: it has begun. No restore fails by this."""
    _send(workspace, restore, "restore-started", "info", f"The {_what(restore)} has begun")


def finished(workspace: Workspace, restore: Restore) -> None:
    """An event: it is over, and on record. No restore fails by this."""
    if restore.status is Status.SUCCEEDED:
        _send(workspace, restore, "restore-succeeded", "info", f"The {_what(restore)} succeeded")
    else:
        how = "was interrupted" if restore.status is Status.INTERRUPTED else "failed"
        _send(workspace, restore, "restore-failed", "warning", f"The {_what(restore)} {how}")


def _send(workspace: Workspace, restore: Restore, kind: Kind, severity: Severity, summary: str) -> None:
    moment = utc_now()
    event = Event(
        kind=kind,
        plan=restore.plan,
        server=restore.server,
        database="" if restore.what == "recover" else restore.target,
        backup_type="physical" if restore.what == "recover" else "logical",
        severity=severity,
        summary=summary,
        description=_description(restore)[:_MOST_WORDS],
        starts_at=moment,
        ends_at=moment + (events.BAD_NEWS if severity == "warning" else events.GOOD_NEWS),
    )
    try:
        backup_events.queue(workspace, event)
        backup_events.deliver(workspace)
    except Exception as error:  # the restore is what matters; the outbox is retried
        log.logger().error("notification failed", restore=restore.id, problem=str(error))


def _description(restore: Restore) -> str:
    verb = "Recovery" if restore.what == "recover" else "Restore"
    words = [f"{verb} {restore.id} from backup {restore.backup}, by {restore.operator} on {restore.host}."]
    if restore.what == "recover":
        words.append("The live server is not touched.")
    if restore.downtime_seconds is not None:
        words.append(f"Without service for {units.format_duration(restore.downtime_seconds)}.")
    if restore.missing_entries:
        names = phrases.some([each.entry for each in restore.missing_entries])
        words.append(f"Not restored, of the dump: {names}.")
    if restore.is_undoable and restore.status is Status.SUCCEEDED:
        words.append(f"The old database is kept as {restore.replaced_database}.")
    return " ".join([*words, restore.message, *restore.warnings]).strip()


def _what(restore: Restore) -> str:
    if restore.what == "logical":
        return f"restore of database {restore.target} on {restore.server}"
    moment = f"{restore.target_kind} {restore.target_value}".strip()
    return f"recovery of server {restore.server} to {moment} into {restore.target}"
