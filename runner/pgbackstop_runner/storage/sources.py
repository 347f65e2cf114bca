"""Where a backup's bytes are read: in its own folder, else in its copies, the nearest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import said, word
from pgbackstop_runner import failures
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

T = TypeVar("T")
ASKED_FOR, NEAREST = word("as asked for"), word("the nearest")


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
        return self.storage or own or said("the backup's own folder")


def nearest_first(config: Config) -> list[str]:
    """Every storage: folders, then those that are remote, else as the configuration has them."""
    storages = config.storages
    return sorted(storages, key=lambda name: not isinstance(storages[name], FolderStorage))


def of_backup(workspace: Workspace, backup: Backup, wanted: str | None = None) -> tuple[Source, ...]:
    """Where the backup can be read, the nearest first; only ``wanted``, where that was asked for.

    Its own folder is none of them once it was found damaged, or has expired. Raises NotFound, CatalogError.
    """
    there = backup_files.holders(workspace.catalog, [backup]) - {backup.storage}
    holders = [name for name in nearest_first(workspace.config) if name in there]
    if wanted is not None:
        return (_asked_for(workspace, backup, wanted, holders),)
    if holders and (backup.is_damaged or backup.expired_at is not None):
        why = "it has expired there" if backup.expired_at is not None else "it was found damaged"
        gone = (f"{backup.storage}: {why}.",)
        return tuple(Source(storage=each, reason=NEAREST, passed_over=gone) for each in holders)
    return tuple(Source(storage=each, reason=NEAREST) for each in (None, *holders))


def _asked_for(workspace: Workspace, backup: Backup, wanted: str, holders: Sequence[str]) -> Source:
    workspace.storage(wanted)
    if wanted == backup.storage:
        return Source(storage=None, reason=ASKED_FOR)
    if wanted not in holders:
        own = backup.storage if backup.expired_at is None else None
        there = ", ".join(filter(None, (own, *holders))) or "in none"
        raise errors.NotFound(
            f"The storage {wanted} holds no copy of backup {backup.id}.",
            remedy=f"It is in: {there}. 'pgbackstop copy' makes copies that a plan lacks.",
        )
    return Source(storage=wanted, reason=ASKED_FOR)


def first_usable(
    what: str,
    own: str | None,
    sources: Sequence[Source],
    use: Callable[[Source], T],
    *,
    lacks: tuple[type[errors.PgbackstopError], ...] = (),
) -> tuple[Source, T]:
    """Use the nearest; where that cannot be read, the next. The one that was used says what was wrong before.

    ``own`` is the storage that is meant by None. ``lacks`` are raised by a source that has not what is
    wanted, which another one may have. Raises what the only one raised; AttemptFailed with what each of them
    said, or one of ``lacks`` where that was said by the nearest; at once what another would not change. Where
    a later one refuses the request, what was wrong with the nearest is said all the same.
    """
    passed_over: list[str] = list(sources[0].passed_over)
    first: errors.PgbackstopError | None = None
    for source in sources:
        try:
            found = use(source)
        except (errors.PgbackstopError, OSError) as error:
            known = failures.as_error(error)
            of_source = isinstance(known, lacks) or isinstance(error, OSError) or _is_of_source(known)
            of_source |= first is not None and isinstance(known, errors.ValidationError)
            if len(sources) == 1 or not of_source:
                raise known from error
            first = first or known
            where = f"{source.place(own)}: "
            passed_over.append(where + known.problem.removeprefix(where))
            log.logger().warning("passed over", what=what, message=passed_over[-1])
        else:
            reason = "the nearest that can be read" if passed_over else source.reason
            return dataclasses.replace(source, reason=reason, passed_over=tuple(passed_over)), found
    assert first is not None  # noqa: S101 - there is one source at least
    if isinstance(first, lacks):
        raise type(first)(" ".join(passed_over), remedy=first.remedy)
    raise AttemptFailed(
        failures.first_reason(first),
        f"{what} can be read nowhere: {' '.join(passed_over)}",
        remedy="Nothing was touched. Take another backup, or bring one of these storages back.",
    ) from first


def _is_of_source(error: errors.PgbackstopError) -> bool:
    """Whether another source may do what this one did not."""
    if isinstance(error, AttemptFailed):
        return error.reason in {Reason.CORRUPT, Reason.INCOMPLETE}
    return isinstance(error, errors.CatalogError | errors.ConfigError | errors.NotFound | StoreError)
