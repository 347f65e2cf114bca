"""Lists of backups: the few keys of each record that a person looks through, without the model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pgbackstop_catalog import errors
from pgbackstop_catalog.store import copy_listing, listing, summary
from pgbackstop_catalog.store.backup_filter import EVERY, BackupFilter
from pgbackstop_catalog.store.copy_listing import Copies
from pgbackstop_catalog.store.known_summaries import KnownSummaries
from pgbackstop_catalog.store.summary import BackupSummary

if TYPE_CHECKING:
    from pgbackstop_catalog.records.backup import Backup


_KINDS = ("backups", "copies", "proofs", "restores")


class BackupList(Protocol):
    """What is listed of a catalog. Each method raises CatalogError, NewerRecord for a newer record."""

    def summaries(
        self, plan: str | None = None, *, before: str = "", wanted: BackupFilter = EVERY
    ) -> Iterator[BackupSummary]:
        """The wanted attempts of a plan or of all, the newest first; only those with ids below ``before``."""

    def newest(self, plan: str | None, wanted: BackupFilter, limit: int) -> tuple[list[BackupSummary], int]:
        """The newest wanted attempts, so many at most, and how many there are in all."""

    def ids(self) -> Iterator[str]:
        """The ids of all attempts, the newest first, unread."""

    def count(self, plan: str | None = None) -> int:
        """How many attempts are on record, unread."""

    def plans(self) -> list[str]:
        """Every plan that has a record, sorted."""

    def copies(self, backups: Sequence[BackupSummary]) -> dict[str, Copies]:
        """Where each backup has copies, by its id."""

    def record(self, backup: BackupSummary) -> Backup:
        """The whole record."""

    def stand(self) -> Hashable:
        """A value that is another one whenever a record is another one."""


class FolderBackupList:
    """Of a catalog in a folder; what is ``known`` is not read again."""

    def __init__(
        self,
        root: Path,
        on_invalid_record: Callable[[errors.CatalogError], None],
        known: KnownSummaries | None = None,
    ) -> None:
        self._root = root
        self._on_invalid_record = on_invalid_record
        self._known = known

    def summaries(
        self, plan: str | None = None, *, before: str = "", wanted: BackupFilter = EVERY
    ) -> Iterator[BackupSummary]:
        return filter(wanted.wants, self._summaries(plan, before))

    def newest(self, plan: str | None, wanted: BackupFilter, limit: int) -> tuple[list[BackupSummary], int]:
        found = self.summaries(plan, wanted=wanted)
        shown = list(islice(found, limit))
        return shown, self.count(plan) if wanted == EVERY else len(shown) + sum(1 for _ in found)

    def _summaries(self, plan: str | None, before: str) -> Iterator[BackupSummary]:
        if self._known is not None:
            folders = listing.folders(self._root, "backups", plan)
            return self._known.summaries(folders, self._on_invalid_record, before=before)
        paths = listing.newest_first(self._root, "backups", plan)
        wanted = (path for path in paths if not before or path.stem < before)
        return summary.read(wanted, self._on_invalid_record)

    def ids(self) -> Iterator[str]:
        return (path.stem for path in listing.newest_first(self._root, "backups"))

    def count(self, plan: str | None = None) -> int:
        return sum(1 for _ in listing.newest_first(self._root, "backups", plan))

    def plans(self) -> list[str]:
        return sorted(folder.name for folder in listing.folders(self._root, "backups"))

    def copies(self, backups: Sequence[BackupSummary]) -> dict[str, Copies]:
        return copy_listing.storages(self._root, backups)

    def stand(self) -> Hashable:
        return tuple(self._written())

    def _written(self) -> Iterator[tuple[Path, int]]:
        """When each folder of records was changed last: each record is put into its place by a rename."""
        for kind in _KINDS:
            try:
                for folder in (self._root / kind, *listing.folders(self._root, kind)):
                    yield folder, folder.stat().st_mtime_ns
            except FileNotFoundError:
                yield self._root / kind, 0  # there is none yet
            except OSError as error:
                raise listing.unreadable(self._root / kind, error) from error

    def record(self, backup: BackupSummary) -> Backup:
        from pgbackstop_catalog.records import backup as records  # noqa: PLC0415 - pydantic, for programs only
        from pgbackstop_catalog.records import codec  # noqa: PLC0415

        path = backup.path or self._root / "backups" / backup.plan / f"{backup.id}{listing.SUFFIX}"
        try:
            return codec.read(records.Backup, path)
        except OSError as error:
            raise listing.unreadable(path, error) from error
