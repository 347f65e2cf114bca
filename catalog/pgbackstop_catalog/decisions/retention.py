"""Retention: which backups stay and go, each with its reasons; which records are old enough to be folded.

Pure: the same function answers the dry run, the test and the deed. A backup stays while any reason keeps
it (as in restic's policy). What no rule may take: the newest good ones down to ``minimum``, the newest
proven one, what somebody has pinned, for a while the last one with rows that vanished since, and whatever a
kept incremental is built on. Failed attempts count for nothing, and ages are taken at the newest success:
however long an outage lasts, it takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

from pgbackstop_catalog import units
from pgbackstop_catalog.config.keep import CopyKeep, Keep
from pgbackstop_catalog.decisions import vanished
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import Said, said

REMOVED = said("no rule keeps it")
GIVEN_UP = said("damaged, and acknowledged")
BROKEN = said("its chain is broken: it counts for nothing, and goes with its time")
GONE = said("its files are gone: it counts for nothing, and goes with its time")
_SHOWN = 3
_NEVER = (datetime.min.replace(tzinfo=UTC), "")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on one backup, and why; on its copy in ``storage``, where that is judged by itself."""

    backup: Backup
    kept: bool
    reasons: tuple[str, ...]
    storage: str | None = None


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The verdict on every backup whose bytes are kept now, the newest first."""

    verdicts: tuple[Verdict, ...]

    @property
    def kept(self) -> tuple[Backup, ...]:
        """The backups that stay."""
        return tuple(verdict.backup for verdict in self.verdicts if verdict.kept)

    @property
    def removed(self) -> tuple[Backup, ...]:
        """The backups that go, the oldest last."""
        return tuple(verdict.backup for verdict in self.verdicts if not verdict.kept)


def decide(
    backups: Sequence[Backup],
    keep: CopyKeep,
    *,
    now: datetime,
    proven: Collection[str] = (),
    elsewhere: Iterable[Backup] = (),
    gone: Collection[str] = (),
) -> Retention:
    """The verdict on every available backup of one plan and database, and on damaged ones that were given up.

    ``backups`` are all its attempts, in any order. ``proven`` are the ids of backups that a proof has
    restored or read back, beside those whose record says ``verified_at``. ``elsewhere`` are backups of other
    plans, on which some of these may be built. ``gone`` are the ids of those whose files are gone.
    """
    known = {each.id: each for each in (*elsewhere, *backups) if each.is_available and each.id not in gone}
    good = sorted((each for each in backups if each.is_available), key=_order, reverse=True)
    whole = [backup for backup in good if backup.id in known and _chain(backup, known)]
    lost = {backup.id: GONE if backup.id in gone else BROKEN for backup in good if backup not in whole}
    reasons: dict[str, list[str]] = {backup.id: [] for backup in good}
    for backup, reason in _asked_for(whole, keep, now):
        reasons[backup.id].append(reason)
    for backup, reason in _held(whole, known, keep, proven):
        reasons[backup.id].append(reason)
    for backup in good:
        if backup.is_pinned(now):
            reasons[backup.id].append(str(backup.pinned))
    for holder, tables in vanished.held(backups, whole, now=now).items():
        reasons[holder].append(said("holds rows that vanished since: {tables}", tables=_some(tables)))
    for child in backups:
        if child.status is Status.RUNNING and child.parent in reasons:
            reasons[child.parent].append(said("parent of {id}, which is being made", id=child.id))
    _hold_chains(good, known, reasons)
    _spare_broken(good, lost, reasons)
    if gone:
        _spare_gone(decide(backups, keep, now=now, proven=proven, elsewhere=elsewhere), lost, reasons)
    verdicts = [_verdict(backup, reasons[backup.id]) for backup in good]
    verdicts += [
        Verdict(backup=each, kept=False, reasons=(GIVEN_UP,)) for each in backups if _is_given_up(each)
    ]
    return Retention(verdicts=tuple(sorted(verdicts, key=lambda each: _order(each.backup), reverse=True)))


def foldable(backups: Iterable[Backup], keep: Keep, *, now: datetime) -> tuple[Backup, ...]:
    """The attempts whose bytes are gone and whose records are older than ``keep.records``, oldest first.

    The newest success and the newest attempt stay on record however old they are: the answers to "when
    did it last work?" and "does it fail?" must not be forgotten; nor what holds the last rows of a table.
    """
    ordered = sorted(backups, key=_order)
    successes = [record for record in ordered if record.status is Status.SUCCEEDED]
    lasting = {record.id for record in (*ordered[-1:], *successes[-1:])}
    horizon = timedelta(seconds=keep.records)
    return tuple(
        record
        for record in ordered
        if record.id not in lasting
        and not record.is_available
        and record.status is not Status.RUNNING
        and not vanished.is_open(record, now)
        and now - (record.expired_at or record.finished_at or record.started_at) > horizon
    )


def by_subject(backups: Iterable[Backup]) -> Iterator[list[Backup]]:
    """A plan that was moved to another server has two subjects: each has its own floor."""
    ordered = sorted(backups, key=_subject)
    return (list(group) for _, group in groupby(ordered, key=_subject))


def _subject(backup: Backup) -> tuple[str, str]:
    return (backup.server, backup.database)


def _order(backup: Backup) -> tuple[datetime, str]:
    return (backup.finished_at or backup.started_at, backup.id)


def _is_given_up(backup: Backup) -> bool:
    return backup.is_damaged and backup.acknowledged is not None and backup.expired_at is None


def _verdict(backup: Backup, reasons: Sequence[str]) -> Verdict:
    return Verdict(backup=backup, kept=bool(reasons), reasons=tuple(reasons) or (REMOVED,))


def _asked_for(whole: Sequence[Backup], keep: CopyKeep, now: datetime) -> Iterable[tuple[Backup, str]]:
    """Yield what the plan's own rules keep, each with its reason; ``whole`` is newest first."""
    for number, backup in enumerate(whole[: keep.last or 0], 1):
        yield backup, said("last {number} of {most}", number=number, most=keep.last)
    if keep.within is not None:
        yield from _within(whole, timedelta(seconds=keep.within), now)
    yield from _newest_of_each(
        whole, keep.hourly, lambda moment: said("newest of hour {moment:%Y-%m-%d %H}:00", moment=moment)
    )
    yield from _newest_of_each(
        whole, keep.daily, lambda moment: said("newest of day {moment:%Y-%m-%d}", moment=moment)
    )
    yield from _newest_of_each(
        whole, keep.weekly, lambda moment: said("newest of week {moment:%G-W%V}", moment=moment)
    )
    yield from _newest_of_each(
        whole, keep.monthly, lambda moment: said("newest of month {moment:%Y-%m}", moment=moment)
    )
    yield from _newest_of_each(
        whole, keep.yearly, lambda moment: said("newest of year {moment:%Y}", moment=moment)
    )


def _within(whole: Sequence[Backup], window: timedelta, now: datetime) -> Iterable[tuple[Backup, str]]:
    """Yield what is younger than the window at the newest success, and the physical one its start needs."""
    until = min([now, *(_order(backup)[0] for backup in whole[:1])])
    for backup in whole:
        if _order(backup)[0] > until - window:
            yield backup, said("younger than {window}", window=_words(window))
        elif backup.backup_type == "physical":
            yield backup, said("WAL leads from it to the whole of the last {window}", window=_words(window))
            return


def _newest_of_each(
    whole: Sequence[Backup], limit: int | None, reason: Callable[[datetime], str]
) -> Iterable[tuple[Backup, str]]:
    """The newest backup of each of the last ``limit`` periods that have one, by UTC; a reason names one."""
    newest: dict[str, Backup] = {}
    for backup in whole:
        newest.setdefault(reason(_order(backup)[0]), backup)
    for why, backup in list(newest.items())[: limit or 0]:
        yield backup, why


def _held(
    whole: Sequence[Backup], known: Mapping[str, Backup], keep: CopyKeep, proven: Collection[str]
) -> Iterable[tuple[Backup, str]]:
    """Yield what stays whatever the rules say: the floor, and the newest one that is known to restore."""
    for backup in _floor(whole, known, keep.minimum):
        yield backup, said("one of the {minimum} that always stay", minimum=keep.minimum)
    for backup in whole:
        if backup.verified_at is not None or backup.id in proven:
            yield backup, said("newest proven")
            return


def _floor(whole: Sequence[Backup], known: Mapping[str, Backup], minimum: int) -> Sequence[Backup]:
    """The newest ones until ``minimum`` of them share no bytes: a chain of incrementals is one copy."""
    full: set[str] = set()
    for number, backup in enumerate(whole):
        full.add(_chain(backup, known)[-1].id)
        if len(full) == minimum:
            return whole[: number + 1]
    return whole


def _chain(backup: Backup, known: Mapping[str, Backup]) -> tuple[Backup, ...]:
    """The backup and what it is built on, down to the full one; empty where that is broken.

    A parent that is younger than its child, or of another system, is no parent: PostgreSQL would refuse
    to combine them, as after a server was initialised anew.
    """
    chain = [backup]
    while chain[-1].method == "incremental":
        parent = known.get(chain[-1].parent or "")
        if parent is None or not _fits(parent, chain[-1]):
            return ()
        chain.append(parent)
    return tuple(chain)


def _fits(parent: Backup, child: Backup) -> bool:
    return parent.started_at < child.started_at and parent.system_identifier == child.system_identifier


def _hold_chains(good: Sequence[Backup], known: Mapping[str, Backup], reasons: dict[str, list[str]]) -> None:
    """Keep all that a kept incremental is built on; once is reason enough. ``good`` is newest first."""
    held: set[str] = set()
    for backup in good:
        if not reasons[backup.id]:
            continue
        for child, parent in pairwise(_chain(backup, known)):
            if parent.id in reasons and parent.id not in held:
                held.add(parent.id)
                reasons[parent.id].append(said("parent of {id}", id=child.id))


def _spare_broken(good: Sequence[Backup], lost: Mapping[str, str], reasons: dict[str, list[str]]) -> None:
    """What is gone, or its chain broken, counts for nothing, and outlives no whole backup that is kept.

    A record that breaks the chain may be mended tomorrow, and the files may be on a disk that comes back.
    """
    kept = [_order(other) for other in good if other.id not in lost and reasons[other.id]]
    for backup in good:
        if backup.id in lost and _order(backup) > min(kept, default=_NEVER):
            reasons[backup.id].append(lost[backup.id])


def _spare_gone(as_if_there: Retention, lost: Mapping[str, str], reasons: dict[str, list[str]]) -> None:
    """Their disk may come back: whatever would stay if they were there does, beside as many others.

    So do what they are built on and what is built on them: the chain is whole again with the disk.
    """
    for verdict in as_if_there.verdicts:
        backup = verdict.backup
        if verdict.kept and not reasons[backup.id]:
            reasons[backup.id] += [lost[backup.id]] if backup.id in lost else verdict.reasons


def _some(tables: Sequence[str]) -> str:
    """As many as a line of the dry run can hold."""
    shown = ", ".join(tables[:_SHOWN])
    return said("{shown} and {n} more", shown=shown, n=len(tables) - _SHOWN) if tables[_SHOWN:] else shown


def _words(window: timedelta) -> Said:
    written = units.format_exact_duration(window.total_seconds())
    return said(f"{{n:g}}{written[-1]}", n=float(written[:-1]))
