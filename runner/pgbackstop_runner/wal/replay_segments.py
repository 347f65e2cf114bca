"""The archived segments that a replay will read: compared before, and put where the server can read them.

Each is of the archive that was chosen; where that lacks one, or has it damaged, of the next storage that has
the same one.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.store import wal_index
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system import log, streams
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.wal import archive_reader, replay_source, segment_file, storage_archive
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.wal.storage_archive import StorageArchive
from pgbackstop_runner.workspace import Workspace

T = TypeVar("T")
_ATTEMPTS = 5
_REMEDY = "Choose a target before it, or restore the file from a copy."
_REMEDY_REMOTE = "Choose a target before it, or another storage with --from."


@dataclass(kw_only=True)
class ReplaySegments:
    """Those of one recovery. ``notes`` has a sentence for each that is not of the chosen archive.

    ``others`` yields the archives of the other storages, the nearest first; none is read before it is needed.
    """

    chosen: RecoveryPlan
    archive: Archive
    others: Iterable[Archive] = ()
    notes: list[str] = field(default_factory=list)
    _elsewhere: dict[str, Archive] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> int:
        """Compare all that are needed, before anything is touched; returns their stored bytes.

        Those in a folder are read. Of those in a storage names and sizes are compared, and the content when
        it comes, which would come twice otherwise; the first and the last are opened. Raises CatalogError for
        one that is missing or damaged everywhere, Sealed, StoreError.
        """
        ends = {entry.name for entry in (*self._wanted[:1], *self._wanted[-1:])}
        return sum(
            self._nearest(entry, partial(_compared, opens=entry.name in ends)) for entry in self._wanted
        )

    def copied_bytes(self, who: Account) -> int:
        """Bytes that ``place`` will copy."""
        return 0 if self._stays(who) else sum(each.size_bytes for each in self._wanted)

    def place(self, data: Path, who: Account) -> Path:
        """The folder that the recovered server reads WAL from: the archive's own, or a copy in ``data``.

        That is made where the server may not read the archive (root makes backups that only root can read,
        and steps down for it), and where the segments are not all in its folder. Raises CatalogError,
        StoreError, OSError.
        """
        archive = self.archive
        if not archive.holds_wal_of(self.chosen.backup) or self._stays(who):
            return archive.folder
        target = data / replay_source.COPY_NAME
        self._bring(target)
        for path in (archive.folder / wal_segments.IDENTITY_NAME, *archive.folder.glob("*.history")):
            _copy(path, target / path.relative_to(archive.folder))
        # While the server lives its newest segment is completed and put into its place under our eyes.
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):
                _copy_unfinished(archive, target)
                break
        return target

    @cached_property
    def _wanted(self) -> tuple[Entry, ...]:
        return replay_source.needed(self.chosen, self.archive)

    @cached_property
    def _others(self) -> tuple[Archive, ...]:
        own = self.archive.identity
        return tuple(
            each
            for each in self.others
            if own and each.identity and each.identity.system_identifier == own.system_identifier
        )

    def _stays(self, who: Account) -> bool:
        if self.archive.remote is not None or self._elsewhere:
            return False
        folder = self.archive.folder
        last = [folder / entry.path for entry in self._wanted[-1:]]
        return not who.credentials or who.can_read(folder / wal_segments.IDENTITY_NAME, *last)

    def _bring(self, target: Path) -> None:
        with ThreadPoolExecutor(storage_archive.LANES) as pool:
            bring = partial(_brought, target=target)
            segments = (each for each in self._wanted if each.is_segment)
            for _ in pool.map(lambda entry: self._nearest(entry, bring), segments):
                pass

    def _nearest(self, entry: Entry, use: Callable[[Archive, Entry], T]) -> T:
        """Use it in the archive, else in the next that has the same. Raises what was wrong with the first."""
        archive = self._elsewhere.get(entry.name, self.archive)
        try:
            return use(archive, archive.entries[entry.name])
        except (errors.CatalogError, StoreError) as error:
            wrong = error
        with self._lock:
            others = self._others
        for other in others:
            theirs = other.entries.get(entry.name)
            if other is archive or theirs is None or not _is_same(entry, theirs):
                continue
            try:
                found = use(other, theirs)
            except (errors.CatalogError, StoreError) as error:
                log.logger().warning("passed over", what=entry.name, message=error.problem)
                continue
            self._elsewhere[entry.name] = other
            self.notes.append(f"WAL segment {entry.name} was taken from {_where(other)}: {wrong.problem}")
            return found
        raise wrong


def of_others(
    workspace: Workspace, server: str, sources: Iterable[Source], used: Source
) -> Iterator[Archive]:
    """The archives of the server in the other sources; one that cannot be read is logged, and left out."""
    for each in sources:
        if each.storage == used.storage:
            continue
        try:
            yield archive_reader.read(workspace, server, each.storage)
        except errors.PgbackstopError as error:
            log.logger().warning("passed over", what=f"The WAL archive of {server}", message=error.problem)


def _is_same(entry: Entry, other: Entry) -> bool:
    """As far as their hashes are known: of one whose line in the index was lost there is none."""
    return not entry.sha256 or not other.sha256 or entry.sha256 == other.sha256


def _where(archive: Archive) -> str:
    return archive.storage or str(archive.folder)


def _compared(archive: Archive, entry: Entry, *, opens: bool) -> int:
    """How many bytes are stored. Raises CatalogError for one that is missing, cut off or damaged."""
    if archive.remote is None:
        return _compared_in_folder(archive.folder / entry.path, entry)
    if not archive.remote.is_there(entry):
        found = archive.remote.sizes.get(entry.path)
        how = "is not there" if found is None else f"has {found} of {entry.there_bytes} bytes"
        raise errors.CatalogError(
            f"WAL segment {entry.name} {how} in {archive.storage}; nothing was touched.",
            remedy=_REMEDY_REMOTE,
        )
    if opens and entry.stored_bytes is not None:
        with archive.remote.store.open(archive.remote.path(entry.path), entry.stored_bytes) as stream:
            stream.read(1)
    return entry.size_bytes


def _compared_in_folder(path: Path, entry: Entry) -> int:
    try:
        stored = streams.digest(path, entry.path)
    except OSError as error:
        problem = f"WAL segment {entry.name} cannot be read: {path}: {error.strerror}."
        raise errors.CatalogError(problem, remedy=_REMEDY) from error
    if stored.sha256 != entry.sha256:
        problem = f"WAL segment {entry.name} is damaged: {path} is not what was archived."
        raise errors.CatalogError(problem, remedy=_REMEDY)
    return stored.size_bytes


def _brought(archive: Archive, entry: Entry, *, target: Path) -> None:
    """Raises CatalogError for one that is not what was archived, StoreError, OSError."""
    if archive.remote is None:
        _compared_in_folder(archive.folder / entry.path, entry)
        _copy(archive.folder / entry.path, target / entry.path)
    else:
        _downloaded(archive.remote, entry, target / entry.path, archive)


def _downloaded(remote: StorageArchive, entry: Entry, place: Path, archive: Archive) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sha256 = remote.download(entry.path, entry.there_bytes, place)
    if not _is_intact(entry, sha256, place, archive.segment_bytes):
        place.unlink()
        problem = f"WAL segment {entry.name} in {archive.storage} is damaged: it is not what was archived."
        raise errors.CatalogError(problem, remedy=_REMEDY_REMOTE)


def _is_intact(entry: Entry, sha256: str, place: Path, size: int) -> bool:
    """By its hash; where no index tells that, by the checksums of what it is compressed with."""
    if entry.sha256:
        return sha256 == entry.sha256
    try:
        return segment_file.length(place) == size
    except segment_file.Damaged:
        return False


def _copy_unfinished(archive: Archive, target: Path) -> None:
    before = dict(archive.entries)
    for path in replay_source.unfinished(archive.folder):
        _copy(path, target / path.relative_to(archive.folder))
    for entry in wal_index.Index(archive.folder).refresh().values():
        if entry.name not in before:
            _copy(archive.folder / entry.path, target / entry.path)


def _copy(path: Path, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(path, place)
