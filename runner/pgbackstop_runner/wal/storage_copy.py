"""The WAL of one server on its way to one further storage: what lacks there is sent, again and again.

What was sent is known by the index in the storage, so a copier that was killed goes on where it was. What is
there is never overwritten: the same content is success, other content is a conflict that is told.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import locks, wal_copies, wal_needs, wal_segments, windows
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_segments import Entry, WalIdentity, WalSegment, WalState, WalWindow
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic
from pgbackstop_catalog.store.wal_index import Index
from pgbackstop_runner.storage import backup_files, identity, unknown_backups
from pgbackstop_runner.storage.protocol import ByteStore, Sealed, SourceChanged
from pgbackstop_runner.system import log, stop_requests
from pgbackstop_runner.wal import archive as archives
from pgbackstop_runner.wal import archive_identity, copy_mending, index, segment_file, storage_archive
from pgbackstop_runner.wal.copy_conflicts import CopyConflicts
from pgbackstop_runner.wal.storage_archive import LANES, StorageArchive
from pgbackstop_runner.wal.unfinished_copy import UnfinishedSegment
from pgbackstop_runner.workspace import Workspace

BACKUPS_INTERVAL = 10.0  # seconds
BATCH = 16  # segments that share one write of the index
_REMEMBERED = 20


@dataclass
class WalCopier:
    """Sends what one storage lacks. ``look`` raises StoreError, CatalogError, ConfigError, OSError."""

    workspace: Workspace
    server: str
    storage: str
    state: WalCopyState = field(init=False)

    def __post_init__(self) -> None:
        self._path = self.workspace.state.wal_copy(self.storage, self.server)
        self.state = self._begin()
        self._mirror = self.workspace.state.wal_copy_index(self.storage, self.server)
        self._root = self.workspace.wal_archive(self.server)
        self._index = Index(self._root)
        self._archive: StorageArchive | None = None
        self._backups: list[Backup] = []
        self._compared: dict[str, str] = {}  # what the storage has otherwise compressed
        self._conflicts = CopyConflicts(self.server, self.storage, self._root)
        self._stamp: tuple[object, ...] = ()
        self._told: tuple[object, ...] = ()
        self._expired_for: set[str] = set()
        self._unfinished = UnfinishedSegment(self._root)
        self._mending = copy_mending.CopyMending(self.workspace, self.server, self.storage, self._conflicts)
        self._backups_due = stop_requests.Every(BACKUPS_INTERVAL)
        self._unfinished_due = stop_requests.Every(self.workspace.server(self.server).wal.copy_unfinished)

    def look(self) -> None:
        """Send all that lacks now."""
        own = archive_identity.read(self._root)
        if self._backups_due():
            self._read_backups()
        if own is None or not self._backups:
            what = "WAL to be archived" if own is None else "a physical backup to be copied there"
            self._update(status="waiting", message=f"It waits for {what}.")
            return
        archive = self._archive or self._open(own)
        self._expire(archive)
        self._send_complete(archive)
        self._mending.look(archive, self._root, self._index.entries)
        if self._unfinished_due():
            self._send_unfinished(archive, own)
        self._tell_windows(archive)
        if self.state.status != "copying":
            self._update(status="copying", message="")

    def fail(self, error: Exception) -> None:
        """Say why nothing is sent; the next look begins anew."""
        told = str(error)
        if told != self.state.message:
            log.logger().error("WAL is not copied", server=self.server, storage=self.storage, reason=told)
        self._archive = None
        self._update(status="down", message=told, failures=self.state.failures + 1)

    def stopped(self) -> None:
        """Say that nobody copies any more."""
        self._update(status="stopped", message="")

    def write(self) -> None:
        """Write the state, without waiting for the disk. Raises OSError."""
        atomic.make_folder(self._path.parent)
        self._update()
        atomic.write(self._path, codec.encode(self.state), durable=False)

    def _begin(self) -> WalCopyState:
        now = utc_now()
        fresh = WalCopyState(
            server=self.server, storage=self.storage, status="waiting", started_at=now, updated_at=now
        )
        with contextlib.suppress(OSError, errors.CatalogError):
            fresh = codec.read(WalCopyState, self._path)
        return fresh.evolve(status="waiting", message="", pid=os.getpid(), started_at=now)

    def _update(self, **changes: Any) -> None:
        self.state = self.state.evolve(updated_at=utc_now(), **changes)

    def _read_backups(self) -> None:
        catalog = self.workspace.catalog
        there = backup_files.in_storage(catalog, list(catalog.physical_backups(self.server)), self.storage)
        self._backups = [each for each in there if each.is_available]

    def _open(self, own: WalIdentity) -> StorageArchive:
        store = identity.require(self.workspace, self.storage)
        archive = storage_archive.fetch(store, self.server, self._mirror, records_only=True)
        if archive.identity is None:
            store.put_bytes(codec.encode(own), archive.path(wal_segments.IDENTITY_NAME))
        elif archive.identity.system_identifier != own.system_identifier:
            raise errors.ConfigError(
                f"{self.storage} holds WAL of system {archive.identity.system_identifier} as that of "
                f"{self.server}, which is system {own.system_identifier}.",
                remedy="Give this server another name, or its storage another prefix; nothing was written.",
            )
        self._forget_lost(archive)
        self._stamp, self._unfinished = (), UnfinishedSegment(self._root)
        self._archive = archive
        return archive

    def _forget_lost(self, archive: StorageArchive) -> None:
        """What the index names, and what is not there any more, or not whole, is sent again."""
        local = self._index.refresh()
        for lost in [each for each in archive.entries.values() if not archive.is_there(each)]:
            log.logger().error("WAL was lost", server=self.server, storage=self.storage, segment=lost.name)
            del archive.entries[lost.name]
            index.remove(self._mirror, {lost.name})
            if lost.name in local and local[lost.name].sha256 == lost.sha256:
                archive.sizes.pop(lost.path, None)

    def _send_complete(self, archive: StorageArchive) -> None:
        """Send what is archived since the look before."""
        local = self._index.refresh()
        if self._conflicts.settled(archive, local):
            self._stamp = ()
        stamp = (len(local), list(local)[-1:], [each.id for each in self._backups])
        if stamp == self._stamp:
            return
        wanted = self._wanted(archive)
        self._count(archive, pending=len(wanted))
        for start in range(0, len(wanted), BATCH):
            self._send(archive, wanted[start : start + BATCH])
            self._count(archive, pending=max(0, len(wanted) - start - BATCH))
        self._update(conflicts=tuple(self._conflicts)[-_REMEMBERED:])
        self._count(archive, pending=len(self._wanted(archive)) if wanted else 0)
        self._stamp = stamp

    def _wanted(self, archive: StorageArchive) -> list[Entry]:
        """What is archived, needed by a backup in the storage, and not there; in the order of the index."""
        new = [entry for entry in self._index.entries.values() if self._is_new(archive, entry)]
        passed = wal_needs.superfluous(self._backups, (each.name for each in new))
        return [each for each in new if each.name not in passed]

    def _is_new(self, archive: StorageArchive, entry: Entry) -> bool:
        there = archive.entries.get(entry.name)
        known = {there and there.sha256, self._compared.get(entry.name)}
        return entry.sha256 not in known and entry.name not in self._conflicts

    def _send(self, archive: StorageArchive, batch: list[Entry]) -> None:
        with ThreadPoolExecutor(LANES) as pool:
            sent = [each for each in pool.map(lambda entry: self._send_one(archive, entry), batch) if each]
        archive.entries |= {each.name: each for each in sent}
        archive.sizes |= {each.path: each.there_bytes for each in sent}
        archive.write_index(storage_archive.part_of(each.name) for each in sent)
        if sent:
            # By it, expire knows what the storage has while that is away.
            index.append(self._mirror, (WalSegment(**each._asdict()) for each in sent))
            self._update(copied=self.state.copied + len(sent), copied_at=utc_now())

    def _send_one(self, archive: StorageArchive, entry: Entry) -> Entry | None:
        """The line that the storage is to have; None where it gets none."""
        source = self._root / entry.path
        if not source.is_file():
            return None  # it expired, or was lost; the gaps of the archive tell
        twins = [path for path in storage_archive.paths_of(entry.path) if path in archive.sizes]
        if twins:
            try:
                return self._compare(archive, entry, twins[0])
            except Sealed:
                if entry.name in archive.entries:
                    self._conflicts.refuse(archive, entry, "It is there with another hash.")
                    return None
                # Without a line it does not count: a copier ended while it sent it.
        return self._put(archive, entry)

    def _put(self, archive: StorageArchive, entry: Entry) -> Entry | None:
        try:
            return copy_mending.send(archive, self._root, entry)
        except SourceChanged as error:
            self._conflicts.refuse(archive, entry, str(error))
            return None

    def _compare(self, archive: StorageArchive, entry: Entry, twin: str) -> Entry | None:
        """What the storage has under that name already: by content, which compressors do not change."""
        source = self._root / entry.path
        with tempfile.TemporaryDirectory(dir=self._mirror) as folder:
            copy = Path(folder, PurePosixPath(twin).name)
            archive.download(twin, archive.sizes[twin], copy)
            stored, theirs = segment_file.stored(copy), _digest(copy)
        if theirs is None or theirs != _digest(source) or segment_file.stored(source).sha256 != entry.sha256:
            self._conflicts.refuse(archive, entry, "It is there with other content.")
            return None
        self._compared[entry.name] = entry.sha256
        if entry.name in archive.entries:
            return None
        there = None if archive.store.encrypted_for is None else archive.sizes[twin]
        return entry._replace(
            path=twin, size_bytes=stored.size_bytes, sha256=stored.sha256, stored_bytes=there
        )

    def _send_unfinished(self, archive: StorageArchive, own: WalIdentity) -> None:
        try:
            told = codec.read(WalState, self.workspace.state.wal(self.server))
        except FileNotFoundError:
            return
        if self._unfinished.send(archive, told, own.segment_bytes):
            self._update(copied_at=utc_now())

    def _count(self, archive: StorageArchive, *, pending: int) -> None:
        segments = [each for each in archive.entries.values() if each.is_segment]
        self._update(
            last_segment=max((each.name for each in segments), default=""),
            segments=len(segments),
            stored_bytes=sum(each.there_bytes for each in archive.entries.values()),
            pending_segments=pending,
        )

    def _tell_windows(self, archive: StorageArchive) -> None:
        good = self._mending.good(archive.entries.values())
        stamp = (self._stamp, len(archive.entries), len(good), archive.state and archive.state.updated_at)
        if stamp == self._told:
            return
        self._told = stamp
        switches = archives.switches(self._root, good)
        found = windows.windows(self._backups, good, archive.state, switches)
        size = archive.state.segment_bytes if archive.state else wal_segments.DEFAULT_SEGMENT_BYTES
        self._update(
            missing_segments=wal_copies.missing(good, switches, size),
            recoverable_until=windows.latest(found),
            windows=tuple(
                WalWindow(start=each.start, end=each.end, ends=each.ends, backup=each.backup)
                for each in found
            ),
        )

    def _expire(self, archive: StorageArchive) -> None:
        """Remove the WAL that no backup in the storage needs; the lines first."""
        needing = {each.id for each in self._backups}
        if needing == self._expired_for:
            return
        superfluous = wal_needs.superfluous(self._backups, archive.entries)
        names = {name for name in superfluous if not self._is_locked(archive.entries[name])}
        if names and not self._holds_unknown(archive.store):
            self._remove(archive, names)
        if len(names) == len(superfluous):
            self._expired_for = needing  # not before: a storage that failed is asked again

    def _is_locked(self, entry: Entry) -> bool:
        storage = self.workspace.config.storages[self.storage]
        return locks.locked_until(storage, entry.archived_at, utc_now()) is not None

    def _remove(self, archive: StorageArchive, names: Collection[str]) -> None:
        gone = [archive.entries.pop(name) for name in names]
        archive.write_index(storage_archive.part_of(name) for name in names)
        archive.store.remove(archive.path(each.path) for each in gone)
        for each in gone:
            archive.sizes.pop(each.path, None)
        log.logger().info("expired WAL", server=self.server, storage=self.storage, segments=len(gone))

    def _holds_unknown(self, store: ByteStore) -> bool:
        unknown = unknown_backups.among_copies(self.workspace.catalog, store, self.storage, self.server)
        for each in unknown:
            log.logger().warning("WAL is kept for a backup that is not in the catalog", backup=each)
        return bool(unknown)


def _digest(path: Path) -> segment_file.Stored | None:
    """Of the content; None for what does not decompress."""
    try:
        return segment_file.digest(path)
    except segment_file.Damaged:
        return None
