"""Records in the folders of a catalog, as a source of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store import folder, listing
from pgbackstop_catalog.store.packed_records import RecordCodec
from pgbackstop_catalog.store.record_cache import RecordCache
from pgbackstop_catalog.text import is_name
from pgbackstop_exporter.snapshot import FleetFacts
from pgbackstop_exporter.sources.state_file import StateFile

R = TypeVar("R", bound=Backup | Copy | Proof | Restore)
D = TypeVar("D")
T = TypeVar("T")
_FOLDERS: Final[Mapping[type, str]] = {
    Backup: "backups",
    Copy: "copies",
    Proof: "proofs",
    Restore: "restores",
}


class TallySource(Protocol):
    """The totals of a plan, as they are kept up to date."""

    value: Totals | None
    problems: list[str]

    def refresh(self) -> bool:
        """Look for a new value; whether there was one. Raises CatalogError."""


class Records(Protocol):
    """Where an exporter reads records."""

    @property
    def storages(self) -> Mapping[str, StorageMark] | None:
        """The storages that the catalog knows; None where a file says it."""

    @property
    def fleet(self) -> FleetFacts | None:
        """The workers around the catalog, as of the last look; None where there can be none."""

    def run(self, work: Callable[[], T], *, thorough: bool) -> T:
        """Return what ``work`` makes of the records, as of one moment if that can be. Raises CatalogError."""

    def plans(self) -> set[str]:
        """Every plan with records or totals. Raises CatalogError where the catalog is gone."""

    def servers(self) -> set[str]:
        """Every server with restores. Raises CatalogError."""

    def cache(self, scope: str, packing: RecordCodec[R, D]) -> RecordCache[R, D]:
        """The records of one kind, of a plan, or restores of a server."""

    def tally(self, plan: str) -> TallySource:
        """The totals of a plan."""


class FolderRecords:
    """The records of a catalog in a folder."""

    storages = None
    fleet = None

    def __init__(self, root: Path) -> None:
        self._root = root
        self._was_there = False

    def run(self, work: Callable[[], T], *, thorough: bool) -> T:
        return work()

    def plans(self) -> set[str]:
        plans = names(self._root / "backups")
        if plans is None and (self._was_there or not listing.is_there(self._root)):
            raise errors.CatalogError(
                f"The catalog is not there: {self._root}.",
                remedy="Mount its disk; or, if it is a new one, run 'pgbackstop storage create'.",
            )
        found = (plans or set()) | (names(self._root / "tallies", files=True) or set())
        self._was_there = self._was_there or bool(found)
        return found

    def servers(self) -> set[str]:
        return names(self._root / "restores") or set()

    def cache(self, scope: str, packing: RecordCodec[R, D]) -> RecordCache[R, D]:
        return RecordCache(self._root / _FOLDERS[packing.kind] / scope, packing)

    def tally(self, plan: str) -> TallySource:
        return StateFile(self._root / "tallies" / f"{plan}{folder.SUFFIX}", Totals)


def names(path: Path, *, files: bool = False) -> set[str] | None:
    """Names of folders, or of record files without their ending; None where ``path`` is not there.

    Whatever else lies there, like ``lost+found`` or ``.snapshot``, has no name of ours and is skipped.
    Raises CatalogError where it cannot be read, or is a link to a disk that is not mounted.
    """
    try:
        with os.scandir(path) as entries:
            if not files:
                return {each.name for each in entries if is_name(each.name) and _is_folder(Path(each.path))}
            found = [entry.name for entry in entries]
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return None
        raise folder.unreadable(path, error) from error
    ours = {name.removesuffix(folder.SUFFIX) for name in found if name.endswith(folder.SUFFIX)}
    return {name for name in ours if is_name(name)}


def _is_folder(path: Path) -> bool:
    """Whether it is one, or a link to a disk that is not mounted: whoever reads it says so."""
    try:
        return listing.is_folder(path)
    except errors.CatalogError:
        return True
