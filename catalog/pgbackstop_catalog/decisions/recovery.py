"""The plan of a recovery: where it begins, how far it goes, and why, before anything is touched.

A target outside every recovery window is refused with the windows named: PostgreSQL would notice only
after hours of replay, or promote somewhere else than was asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Literal

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Switch
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.backup import Backup

Kind = Literal["latest", "immediate", "time", "lsn", "xid", "name"]
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
# PostgreSQL's MAXFNAMELEN less its terminator: longer names are refused when the server starts.
_LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class Target:
    """The end of a recovery. ``value`` is "" for latest and immediate, else as PostgreSQL takes it."""

    kind: Kind
    value: str = ""
    moment: datetime | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.value}".strip()


@dataclass(frozen=True, kw_only=True)
class RecoveryPlan:
    """A recovery to be made. ``chain`` begins with the full backup and ends with the one to start from."""

    chain: tuple[Backup, ...]
    target: Target
    timeline: int
    window: Window | None
    reason: str

    @property
    def backup(self) -> Backup:
        """The backup that replay begins from."""
        return self.chain[-1]


@dataclass(frozen=True, kw_only=True)
class RecoverySources:
    """The sources of a recovery: a server's physical backups, its windows, where timelines parted."""

    backups: Sequence[Backup]
    windows: Sequence[Window]
    switches: Mapping[int, Switch] = field(default_factory=dict)


def parse_time(text: str) -> Target:
    """Parse a moment. Raises ConfigError for one without a zone: 02:30 exists twice a year in most places."""
    try:
        moment = datetime.fromisoformat(text)
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise errors.ConfigError(
            f"{text!r} is no time.", remedy="Write it like 2026-11-22T14:03:00Z."
        ) from error
    if moment.tzinfo is None:
        full = moment.isoformat(timespec="seconds")
        raise errors.ConfigError(
            f"{text!r} has no time zone.", remedy=f"Add one, as in {full}Z or {full}+01:00."
        )
    return Target(kind="time", value=utc.isoformat(sep=" ", timespec="microseconds"), moment=utc)


def parse_lsn(text: str) -> Target:
    """Parse a position in the WAL. Raises ConfigError."""
    if not _LSN.fullmatch(text):
        raise errors.ConfigError(f"{text!r} is no LSN.", remedy="Write it like 16/B374D848.")
    return Target(kind="lsn", value=wal_segments.format_lsn(wal_segments.parse_lsn(text)))


def parse_xid(text: str) -> Target:
    """Parse a transaction id, as pg_current_xact_id() gives it. Raises ConfigError."""
    if not re.fullmatch(r"[0-9]{1,20}", text) or not 3 <= int(text) < 2**64:
        raise errors.ConfigError(
            f"{text!r} is no transaction id.", remedy="Write it like 731, as pg_current_xact_id() gives it."
        )
    return Target(kind="xid", value=text)


def parse_name(text: str) -> Target:
    """Check the name of a point of pg_create_restore_point(). Raises ConfigError."""
    if not text or not text.isprintable() or len(text.encode(errors="replace")) > _LONGEST_NAME:
        raise errors.ConfigError(
            f"{text!r} is no name of a restore point.", remedy="It has 1 to 63 printable letters."
        )
    return Target(kind="name", value=text)


def lineage(timeline: int, switches: Mapping[int, Switch]) -> dict[int, int | None]:
    """The timelines that lead to one, each with the position at which it was left; None for itself."""
    path: dict[int, int | None] = {timeline: None}
    while timeline in switches and switches[timeline].parent not in path:
        switch = switches[timeline]
        timeline = switch.parent
        path[timeline] = switch.lsn
    return path


def choose(
    target: Target, known: RecoverySources, *, backup_id: str | None = None, timeline: int | None = None
) -> RecoveryPlan:
    """The backup to begin from and the timeline to follow: the asked one, else the newest that has it.

    Raises ValidationError where the target cannot be reached, NotFound for a backup that is not there.
    """
    usable = [backup for backup in known.backups if backup.is_available and backup.backup_type == "physical"]
    if backup_id is not None:
        usable = _named(usable, backup_id)
    if not usable:
        raise errors.ValidationError(
            "There is no physical backup of this server to recover from.",
            remedy="Logical backups are restored with 'pgbackstop restore'; see 'pgbackstop list'. Those of "
            "a server that was renamed are under its old name: give it that name in the configuration again.",
        )
    if timeline is not None:
        usable = _leading_to(timeline, usable, known)
    if target.kind == "time":
        return _at_time(target, usable, known, timeline)
    if target.kind == "lsn":
        usable = _before_lsn(target, usable)
    newest = max(usable, key=_end)
    window = _window_of(newest, known, timeline)
    follow = timeline or (window.timeline if window else _timeline(newest))
    why = "as asked" if backup_id is not None else f"{newest.id} is the newest backup"
    if target.kind == "immediate":
        return _plan(newest, known, target, timeline or _timeline(newest), None, f"{why}; only its own WAL")
    if target.kind == "latest" and window is not None:
        why += f"; the WAL after it goes to {format_time(window.end)}: {window.reason}"
    elif target.kind == "lsn":
        why += " before the target"
    elif target.kind != "latest":
        why += "; give an earlier one by --backup for a target before it"
    return _plan(newest, known, target, follow, window, why)


def explain_windows(windows: Sequence[Window]) -> str:
    """Return the windows as a sentence, for a refusal."""
    if not windows:
        return "There is no recovery window: no physical backup with the WAL that follows it."
    spans = ", ".join(f"{format_time(window.start)} to {format_time(window.end)}" for window in windows)
    return f"One can recover to any moment of {spans}."


def is_leading_to(timeline: int, backup: Backup, switches: Mapping[int, Switch]) -> bool:
    """Return whether the timeline contains the backup: it ended before the timeline left the backup's own."""
    path = lineage(timeline, switches)
    own = _timeline(backup)
    if own not in path:
        return False
    left = path[own]
    return left is None or (backup.stop_lsn is not None and wal_segments.parse_lsn(backup.stop_lsn) <= left)


def _leading_to(timeline: int, usable: list[Backup], known: RecoverySources) -> list[Backup]:
    found = [backup for backup in usable if is_leading_to(timeline, backup, known.switches)]
    if not found:
        theirs = ", ".join(sorted({str(_timeline(backup)) for backup in usable}))
        raise errors.ValidationError(
            f"No backup leads to timeline {timeline}.", remedy=f"The backups are of timeline {theirs}."
        )
    return found


def _named(usable: list[Backup], backup_id: str) -> list[Backup]:
    found = [backup for backup in usable if backup.id.startswith(backup_id)]
    if not found:
        raise errors.NotFound(
            f"There is no physical backup {backup_id!r} of this server.", remedy="See 'pgbackstop list'."
        )
    if len(found) > 1:
        some = ", ".join(backup.id for backup in found[:3])
        raise errors.NotFound(
            f"{backup_id!r} is the beginning of {len(found)} backups ({some}).",
            remedy="Give more of the id.",
        )
    return found


def _at_time(
    target: Target, usable: list[Backup], known: RecoverySources, timeline: int | None
) -> RecoveryPlan:
    moment = target.moment
    assert moment is not None  # noqa: S101 - a target of kind time has one
    windows = _fitting(known, timeline)
    begun = [backup for backup in usable if _end(backup) <= moment]
    for window in sorted(windows, key=attrgetter("timeline"), reverse=True):
        if not window.start <= moment <= window.end:
            continue
        inside = [
            backup
            for backup in begun
            if window.start <= _end(backup) and is_leading_to(window.timeline, backup, known.switches)
        ]
        if inside:
            newest = max(inside, key=_end)
            reason = f"{newest.id} is the newest backup that ended before {format_time(moment)}"
            return _plan(newest, known, target, window.timeline, window, reason)
    raise errors.ValidationError(_why_not(moment, usable, windows), remedy=explain_windows(windows))


def _why_not(moment: datetime, usable: list[Backup], windows: Sequence[Window]) -> str:
    when = format_time(moment)
    making = next(
        (each for each in usable if each.on_server_clock(each.started_at) <= moment < _end(each)), None
    )
    if not windows:
        return f"{when} cannot be recovered to."
    if making is not None:
        end = format_time(_end(making))
        return f"{when} is inside backup {making.id}, which is consistent only from {end} on."
    if all(moment < window.start for window in windows):
        return f"{when} is before the first moment that can be recovered to."
    if all(moment > window.end for window in windows):
        return f"{when} is after the last moment that can be recovered to."
    if any(window.start <= moment <= window.end for window in windows):
        return f"{when} is not after the end of {', '.join(backup.id for backup in usable)}."
    return f"{when} is in a gap of the archive."


def _before_lsn(target: Target, usable: list[Backup]) -> list[Backup]:
    position = wal_segments.parse_lsn(target.value)
    before = [
        backup for backup in usable if backup.stop_lsn and wal_segments.parse_lsn(backup.stop_lsn) <= position
    ]
    if not before:
        ends = ", ".join(f"{backup.id} ends at {backup.stop_lsn}" for backup in usable)
        raise errors.ValidationError(f"{target.value} is before the end of every backup.", remedy=f"{ends}.")
    return before


def _fitting(known: RecoverySources, timeline: int | None) -> list[Window]:
    return [window for window in known.windows if timeline is None or window.timeline == timeline]


def _window_of(backup: Backup, known: RecoverySources, timeline: int | None) -> Window | None:
    """The window that the backup is in and whose timeline contains it."""
    return max(
        (
            window
            for window in _fitting(known, timeline)
            if window.start <= _end(backup) <= window.end
            and is_leading_to(window.timeline, backup, known.switches)
        ),
        key=lambda window: (window.timeline, window.end),
        default=None,
    )


def _plan(  # noqa: PLR0917 - the fields of the plan, in their order
    backup: Backup, known: RecoverySources, target: Target, timeline: int, window: Window | None, reason: str
) -> RecoveryPlan:
    chain = _chain(backup, known.backups)
    return RecoveryPlan(chain=chain, target=target, timeline=timeline, window=window, reason=reason)


def _chain(backup: Backup, backups: Sequence[Backup]) -> tuple[Backup, ...]:
    by_id = {candidate.id: candidate for candidate in backups if candidate.is_available}
    chain = [backup]
    while chain[0].parent is not None:
        # Each parent once: records that name each other in a circle are a missing parent too.
        parent = by_id.pop(chain[0].parent, None)
        if parent is None:
            raise errors.ValidationError(
                f"Backup {chain[0].id} is incremental and its parent {chain[0].parent} is not there.",
                remedy="Choose another backup with --backup.",
            )
        chain.insert(0, parent)
    return tuple(chain)


def _end(backup: Backup) -> datetime:
    return backup.recoverable_from


def _timeline(backup: Backup) -> int:
    return backup.timeline or 1
