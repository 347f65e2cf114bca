"""Which tables lost their rows since the backup before, and which backup still has them. Pure.

What is compared are the exact row counts of dumps: of this one and of the newest earlier good one that
counted the table. Nothing is compared across a restore into the database or an upgrade to another major
version: what changed there was meant. A table that was emptied and filled again twice is one that is loaded
like this, and is not told of any more. What was not counted is not known, and never taken for gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final

from pgbackstop_catalog.config.plan import DataLoss
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.vanished import VanishedTable

HELD_FOR: Final = timedelta(days=30)
# How many earlier backups are read where something vanished, and how often a table must have come back.
LEARNED_FROM: Final = 100
LEARNED_AFTER: Final = 2


def find(
    backup: Backup, earlier: Iterable[Backup], limits: DataLoss, *, restores: Iterable[Restore] = ()
) -> tuple[VanishedTable, ...]:
    """The tables whose rows vanished, by name.

    ``earlier`` are attempts of the plan and ``restores`` those into the server, each the newest first. They
    are read no further than needed: one good backup, where it counted all tables and none lost rows.
    """
    if not limits.enabled or backup.row_counts is None:
        return ()
    comparable = _comparable(backup, earlier, restores)
    newest = next(comparable, None)
    if newest is None:
        return ()
    unknown = newest.uncounted or newest.left_out - backup.left_out
    if not unknown and not any(_fallen(newest, backup, limits)):
        return ()
    history = [newest, *islice(comparable, LEARNED_FROM - 1)]
    tables = sorted({table for each in history for table in each.row_counts or {}})
    found = (_judge(table, backup, history, limits) for table in tables)
    return tuple(each for each in found if each is not None)


def is_open(backup: Backup, now: datetime) -> bool:
    """Whether rows were seen to vanish by it, and nobody has acknowledged that for 30 days."""
    since = backup.finished_at or backup.started_at
    return bool(backup.vanished) and backup.acknowledged is None and now - since <= HELD_FOR


def held(backups: Iterable[Backup], kept: Sequence[Backup], *, now: datetime) -> dict[str, list[str]]:
    """By the id of a backup, the tables whose vanished rows it is the last to have.

    ``backups`` are all attempts of one plan and database, ``kept`` the good ones, the newest first.
    """
    tables: dict[str, list[str]] = {}
    for each in backups:
        if is_open(each, now):
            before = [other for other in kept if other.started_at < each.started_at]
            for lost in each.vanished:
                holder = _last_with(lost, before)
                if holder is not None and lost.table not in tables.setdefault(holder, []):
                    tables[holder].append(lost.table)
    return tables


def _comparable(backup: Backup, earlier: Iterable[Backup], restores: Iterable[Restore]) -> Iterator[Backup]:
    """Good backups of the same database that counted rows, back to what separates them from this one."""
    known: list[Restore] | None = None
    for each in earlier:
        if not _is_counted(each, backup):
            continue
        if _major(each) != _major(backup):
            return
        known = list(restores) if known is None else known
        if any(_lies_between(restore, each, backup) for restore in known):
            return
        yield each


def _is_counted(each: Backup, backup: Backup) -> bool:
    subject = (each.plan, each.server, each.database, each.backup_type)
    return (
        subject == (backup.plan, backup.server, backup.database, backup.backup_type)
        and each.status is Status.SUCCEEDED
        and each.row_counts is not None
        and each.started_at < backup.started_at
    )


def _major(backup: Backup) -> int | None:
    return backup.server_facts.version_number // 10000 if backup.server_facts else None


def _lies_between(restore: Restore, before: Backup, backup: Backup) -> bool:
    """Whether it replaced the database after the one and before the other.

    Single tables are put back only where they are missing, so they explain no loss. A recovered server takes
    the place of the old one only when its timeline is the server's from then on.
    """
    replaced = (restore.what == "recover" and _timeline(before) != _timeline(backup)) or (
        restore.what == "logical" and restore.target == backup.database and restore.method != "selection"
    )
    ended = restore.undone_at or restore.finished_at
    return (
        replaced
        and restore.status is Status.SUCCEEDED
        and restore.server == backup.server
        and restore.started_at <= backup.started_at
        and (ended is None or ended > before.started_at)
    )


def _timeline(backup: Backup) -> int | None:
    return backup.server_facts.timeline if backup.server_facts else None


def _fallen(before: Backup, backup: Backup, limits: DataLoss) -> Iterator[str]:
    for table, rows in (before.row_counts or {}).items():
        if not _is_unknown(table, backup) and _fell(rows, (backup.row_counts or {}).get(table, 0), limits):
            yield table


def _is_unknown(table: str, backup: Backup) -> bool:
    """Whether its rows were not counted, were left out, or it is an extension's now: no dump has them."""
    return table in backup.uncounted or table in backup.undumped or table in backup.left_out


def _judge(table: str, backup: Backup, history: Sequence[Backup], limits: DataLoss) -> VanishedTable | None:
    """What is to be told of one table; ``history`` is newest first."""
    if _is_unknown(table, backup) or any(fnmatchcase(table, each) for each in limits.ignore):
        return None
    known = [
        (each.row_counts or {}).get(table)
        for each in history
        if table not in each.uncounted and table not in each.left_out
    ]
    rows = (backup.row_counts or {}).get(table)
    before = known[0] if known else None
    if before is None or not _fell(before, rows or 0, limits) or _is_reloaded(known[::-1], limits):
        return None
    lost = VanishedTable(table=table, rows_before=before, rows=rows)
    return lost.evolve(last_backup=_last_with(lost, [each for each in history if each.is_available]))


def _fell(before: int, rows: int, limits: DataLoss) -> bool:
    return before >= limits.rows and before - rows > limits.share * before


def _is_reloaded(counts: Sequence[int | None], limits: DataLoss) -> bool:
    """Whether the rows vanished and came back before, again and again; ``counts`` are oldest first."""
    returned, full, is_down = 0, 0, False
    for rows in (each or 0 for each in counts):
        was_down, is_down = is_down, _fell(full, rows, limits)
        returned += was_down and not is_down
        full = full if is_down else rows
    return returned >= LEARNED_AFTER


def _last_with(lost: VanishedTable, kept: Iterable[Backup]) -> str | None:
    """The newest that has most of the rows: nearer to what they were than to what they are."""
    middle = (lost.rows_before + (lost.rows or 0)) / 2
    return next((each.id for each in kept if (each.row_counts or {}).get(lost.table, 0) > middle), None)
