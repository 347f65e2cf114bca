"""Where a backup's bytes are read: in its own folder, else in its copies, the nearest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner import failures
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

T = TypeVar("T")
_ASKED_FOR, _NEAREST = "as asked for", "the nearest"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A further storage, or None for the folders that backups and WAL are written to; and why.

    ``passed_over`` has a sentence for each nearer one that could not be used.
    """

    storage: str | None
    reason: str
    passed_over: tuple[str, ...] = ()

    def place(self, own: str | None) -> str:
        """The name of the storage; ``own`` is that of the backup itself."""
        return self.storage or own or "the backup's own folder"


def nearest_first(config: Config) -> list[str]:
    """Every storage: folders, then those that are remote, else as the configuration has them."""
    storages = config.storages
    return sorted(storages, key=lambda name: not isinstance(storages[name], FolderStorage))


def require_known(config: Config, name: str) -> None:
    """Raises NotFound for a storage that is not configured."""
    if name not in config.storages:
        raise errors.NotFound(
            f"There is no storage {name!r}.", remedy=f"There are: {', '.join(sorted(config.storages))}."
        )


def of_backup(workspace: Workspace, backup: Backup, wanted: str | None = None) -> tuple[Source, ...]:
    """Where the backup can be read, the nearest first; only ``wanted``, where that was asked for.

    Its own folder is none of them once it was found damaged. Raises NotFound, CatalogError.
    """
    holders = [
        name
        for name in nearest_first(workspace.config)
        if name != backup.storage and backup_files.in_storage(workspace.catalog, [backup], name)
    ]
    if wanted is not None:
        return (_asked_for(workspace, backup, wanted, holders),)
    if backup.is_damaged and holders:
        damaged = (f"{backup.storage}: it was found damaged.",)
        return tuple(Source(storage=each, reason=_NEAREST, passed_over=damaged) for each in holders)
    return tuple(Source(storage=each, reason=_NEAREST) for each in (None, *holders))


def _asked_for(workspace: Workspace, backup: Backup, wanted: str, holders: Sequence[str]) -> Source:
    require_known(workspace.config, wanted)
    if wanted == backup.storage:
        return Source(storage=None, reason=_ASKED_FOR)
    if wanted not in holders:
        there = ", ".join(filter(None, (backup.storage, *holders))) or "in none"
        raise errors.NotFound(
            f"The storage {wanted} holds no copy of backup {backup.id}.",
            remedy=f"It is in: {there}. 'pgbackstop copy' makes copies that a plan lacks.",
        )
    return Source(storage=wanted, reason=_ASKED_FOR)


def first_usable(backup: Backup, sources: Sequence[Source], use: Callable[[Source], T]) -> tuple[Source, T]:
    """Use the nearest; where that raises, the next one. The one that was used says what was wrong before.

    Raises what the only one raised, or AttemptFailed with what each of them said.
    """
    passed_over: list[str] = list(sources[0].passed_over)
    first: errors.PgbackstopError | None = None
    for source in sources:
        try:
            found = use(source)
        except (errors.PgbackstopError, OSError) as error:
            known = failures.as_error(error)
            if len(sources) == 1:
                raise known from error
            first = first or known
            where = f"{source.place(backup.storage)}: "
            passed_over.append(where + known.problem.removeprefix(where))
            log.logger().warning("passed over", backup=backup.id, message=passed_over[-1])
        else:
            return dataclasses.replace(
                source,
                reason="the nearest that can be read" if passed_over else source.reason,
                passed_over=tuple(passed_over),
            ), found
    assert first is not None  # noqa: S101 - there is one source at least
    raise AttemptFailed(
        failures.first_reason(first),
        f"Backup {backup.id} can be read nowhere: {' '.join(passed_over)}",
        remedy="Nothing was touched. Take another backup, or bring one of these storages back.",
    )
