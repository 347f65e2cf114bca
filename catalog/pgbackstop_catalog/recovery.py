"""Where a recovery begins, how far it goes, and why: decided before anything is touched. Pure.

A target outside every recovery window is refused with the windows named: PostgreSQL would notice only
after hours of replay, or promote somewhere else than was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pgbackstop_catalog import errors, wal
from pgbackstop_catalog.records import Backup
from pgbackstop_catalog.values import format_time
from pgbackstop_catalog.window import Window

Kind = Literal["latest", "immediate", "time", "lsn", "xid", "name"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """How far to go. ``value`` is "" for latest and immediate, else as PostgreSQL's settings want it."""

    kind: Kind
    value: str = ""
    moment: datetime | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.value}".strip()


@dataclass(frozen=True, kw_only=True)
class RecoveryPlan:
    """What a recovery will do. ``chain`` begins with the full backup and ends with the one to start from."""

    chain: tuple[Backup, ...]
    target: Target
    timeline: int
    window: Window | None
    reason: str

    @property
    def backup(self) -> Backup:
        """The backup that replay begins from."""
        return self.chain[-1]


def parse_time(text: str) -> Target:
    """A moment with a zone. Raises ConfigError for one without: 02:30 exists twice a year in most places."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"{text!r} is no time.", remedy="Write it like 2026-11-22T14:03:00Z."
        ) from error
    if moment.tzinfo is None:
        raise errors.ConfigError(
            f"{text!r} has no time zone.", remedy=f"Add one, as in {text}Z or {text}+01:00."
        )
    utc = moment.astimezone(UTC)
    return Target(kind="time", value=utc.isoformat(sep=" ", timespec="microseconds"), moment=utc)


def parse_lsn(text: str) -> Target:
    """A position in the WAL. Raises ConfigError."""
    try:
        return Target(kind="lsn", value=wal.format_lsn(wal.parse_lsn(text)))
    except ValueError as error:
        raise errors.ConfigError(f"{text!r} is no LSN.", remedy="Write it like 16/B374D848.") from error


def choose(
    target: Target,
    *,
    backups: Sequence[Backup],
    windows: Sequence[Window],
    backup_id: str | None = None,
    timeline: int | None = None,
) -> RecoveryPlan:
    """The backup to begin from and the timeline to follow.

    ``backups`` are the server's physical ones, ``windows`` its recovery windows. Raises ValidationError
    where the target cannot be reached, NotFound for a backup that is not there.
    """
    usable = [backup for backup in backups if backup.is_available and backup.backup_type == "physical"]
    if backup_id is not None:
        usable = _named(usable, backup_id)
    if not usable:
        raise errors.ValidationError(
            "There is no physical backup of this server to recover from.",
            remedy="Logical backups are restored with 'pgbackstop restore'; see 'pgbackstop list'.",
        )
    fitting = [window for window in windows if timeline is None or window.timeline == timeline]
    if target.kind == "time":
        return _at_time(target, usable, fitting)
    newest = max(usable, key=_end)
    if target.kind == "immediate":
        reason = f"{newest.id} is the newest backup" if backup_id is None else "as asked"
        return _plan(
            newest, backups, target, timeline or _timeline(newest), None, f"{reason}; no WAL beyond its own"
        )
    if target.kind == "lsn":
        newest = _before_lsn(target, usable)
    window = _window_of(newest, fitting)
    if target.kind == "latest" and window is not None:
        reason = f"{newest.id} is the newest backup; the WAL after it goes to {format_time(window.end)}"
        return _plan(newest, backups, target, window.timeline, window, reason)
    follow = timeline or (window.timeline if window else _timeline(newest))
    return _plan(
        newest, backups, target, follow, window, f"{newest.id} is the newest backup before the target"
    )


def explain_windows(windows: Sequence[Window]) -> str:
    """The windows in words, for a refusal."""
    if not windows:
        return "There is no recovery window: no physical backup with the WAL that follows it."
    spans = ", ".join(f"{format_time(each.start)} to {format_time(each.end)}" for each in windows)
    return f"One can recover to any moment of {spans}."


def _named(usable: list[Backup], backup_id: str) -> list[Backup]:
    found = [backup for backup in usable if backup.id.startswith(backup_id)]
    if not found:
        raise errors.NotFound(
            f"There is no physical backup {backup_id!r} of this server.", remedy="See 'pgbackstop list'."
        )
    return found


def _at_time(target: Target, usable: list[Backup], windows: list[Window]) -> RecoveryPlan:
    moment = target.moment
    assert moment is not None  # noqa: S101 - a target of kind time has one
    holding = [window for window in windows if window.start <= moment <= window.end]
    begun = [backup for backup in usable if _end(backup) <= moment]
    for window in sorted(holding, key=lambda each: each.timeline, reverse=True):
        inside = [backup for backup in begun if window.start <= _end(backup)]
        if inside:
            newest = max(inside, key=_end)
            reason = f"{newest.id} is the newest backup that ended before {format_time(moment)}"
            return _plan(newest, usable, target, window.timeline, window, reason)
    raise errors.ValidationError(_why_not(moment, usable, windows), remedy=explain_windows(windows))


def _why_not(moment: datetime, usable: list[Backup], windows: list[Window]) -> str:
    when = format_time(moment)
    making = next((each for each in usable if each.started_at <= moment < _end(each)), None)
    if making is not None:
        end = format_time(_end(making))
        return f"{when} is inside backup {making.id}, which is consistent only from {end} on."
    if all(moment < window.start for window in windows):
        return f"{when} is before the first moment that can be recovered to."
    if all(moment > window.end for window in windows):
        return f"{when} is after the last moment that can be recovered to."
    return f"{when} is in a gap of the archive."


def _before_lsn(target: Target, usable: list[Backup]) -> Backup:
    position = wal.parse_lsn(target.value)
    before = [
        each for each in usable if each.stop_lsn is not None and wal.parse_lsn(each.stop_lsn) <= position
    ]
    if not before:
        ends = ", ".join(f"{each.id} ends at {each.stop_lsn}" for each in usable)
        raise errors.ValidationError(f"{target.value} is before the end of every backup.", remedy=f"{ends}.")
    return max(before, key=lambda each: wal.parse_lsn(each.stop_lsn or "0/0"))


def _window_of(backup: Backup, windows: Sequence[Window]) -> Window | None:
    return max(
        (window for window in windows if window.start <= _end(backup) <= window.end),
        key=lambda window: window.end,
        default=None,
    )


def _plan(  # noqa: PLR0917 - the fields of the plan, in their order
    backup: Backup,
    backups: Sequence[Backup],
    target: Target,
    timeline: int,
    window: Window | None,
    reason: str,
) -> RecoveryPlan:
    by_id = {each.id: each for each in backups}
    chain = [backup]
    while chain[0].parent is not None:
        parent = by_id.get(chain[0].parent)
        if parent is None or not parent.is_available:
            raise errors.ValidationError(
                f"Backup {chain[0].id} is incremental and its parent {chain[0].parent} is not there.",
                remedy="Choose another backup with --backup.",
            )
        chain.insert(0, parent)
    return RecoveryPlan(chain=tuple(chain), target=target, timeline=timeline, window=window, reason=reason)


def _end(backup: Backup) -> datetime:
    return backup.finished_at or backup.started_at


def _timeline(backup: Backup) -> int:
    return backup.timeline or 1
