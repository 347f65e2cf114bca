"""Which backup is restored, and why. Pure: a function over records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import clocks
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import joined, said, word

LATEST = "latest"


@dataclass(frozen=True, kw_only=True)
class BackupQuery:
    """What was asked for. ``backup`` is an id, its beginning, or ``latest``."""

    backup: str = LATEST
    plan: str | None = None
    database: str | None = None


@dataclass(frozen=True, kw_only=True)
class BackupChoice:
    """A backup, and why it is that one."""

    backup: Backup
    why: str


def restorable(
    backups: Iterable[Backup],
    wanted: BackupQuery,
    has_copy: Callable[[Backup], bool] = lambda _backup: False,
) -> list[Backup]:
    """The logical backups whose bytes are kept, of the wanted plan and database, the newest first.

    Of one that has expired they are where it ``has_copy``.
    """
    return [
        backup
        for backup in backups
        if backup.backup_type == "logical"
        and wanted.plan in {None, backup.plan}
        and wanted.database in {None, backup.database}
        and (backup.is_available or (backup.status is Status.SUCCEEDED and has_copy(backup)))
    ]


def choose(
    backups: Iterable[Backup],
    wanted: BackupQuery,
    has_copy: Callable[[Backup], bool] = lambda _backup: False,
    *,
    now: datetime,
) -> BackupChoice:
    """The backup that is meant; one that has expired where it ``has_copy``, a damaged one only by its id too.

    One that a wrong clock has dated in the future is the newest only where there is no other.
    Raises NotFound, ConfigError where the wish fits more than one database.
    """
    if wanted.backup != LATEST:
        return _named(list(backups), wanted.backup, has_copy)
    found = restorable(backups, wanted, has_copy)
    if not found:
        raise errors.NotFound(
            f"There is no logical backup to restore{_of(wanted)}.", remedy="See 'pgbackstop list'."
        )
    sources = sorted({(each.server, each.database) for each in found})
    if len(sources) > 1:
        some = ", ".join(f"{server}/{database}" for server, database in sources[:4])
        raise errors.ConfigError(
            f"'latest' fits {len(sources)} databases ({some}).",
            remedy="Name one with --database or --plan, or a backup by its id: 'pgbackstop list'.",
        )
    why = said("the newest of {n} good backups", n=len(found)) if found[1:] else said("the only good backup")
    usual = [each for each in found if (each.started_at - now).total_seconds() <= clocks.AHEAD]
    if passed := len(found) - len(usual) if usual else 0:
        why = said("{why} but for {n} dated in the future", why=why, n=passed)
    whose = _of(wanted)
    return BackupChoice(backup=(usual or found)[0], why=joined("", (why, whose)) if whose else why)


def _named(backups: list[Backup], backup_id: str, has_copy: Callable[[Backup], bool]) -> BackupChoice:
    matches = [each for each in backups if each.id.startswith(backup_id)]
    if not matches:
        raise errors.NotFound(f"There is no backup {backup_id!r}.", remedy="See 'pgbackstop list'.")
    if len(matches) > 1:
        some = ", ".join(each.id for each in matches[:3])
        raise errors.NotFound(
            f"{backup_id!r} is the beginning of {len(matches)} backups ({some}).",
            remedy="Give more of the id.",
        )
    backup = matches[0]
    if backup.backup_type != "logical":
        raise errors.ConfigError(
            said("Backup {id} is physical: it holds a whole server, not a database.", id=backup.id),
            remedy=said("Use 'pgbackstop recover'."),
        )
    if backup.status is not Status.SUCCEEDED and not (backup.is_damaged and has_copy(backup)):
        raise errors.ConfigError(
            said(
                "Backup {id} did not succeed: it is {state}.", id=backup.id, state=word(backup.status.value)
            ),
            remedy=_OTHER,
        )
    if backup.expired_at is not None and not has_copy(backup):
        raise errors.ConfigError(
            said("Backup {id} has expired: its bytes are gone.", id=backup.id), remedy=_OTHER
        )
    return BackupChoice(backup=backup, why=said("it was asked for"))


_OTHER = said("Choose another: 'pgbackstop list --status available'.")


def _of(wanted: BackupQuery) -> str:
    parts = [said(" of plan {plan}", plan=wanted.plan)] if wanted.plan else []
    parts += [said(" of database {database}", database=wanted.database)] if wanted.database else []
    return joined("", parts) if parts else ""
