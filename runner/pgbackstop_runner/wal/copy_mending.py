"""WAL in a further storage that was read back and is damaged, sent again from the archive here."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.storage import original
from pgbackstop_runner.system import log
from pgbackstop_runner.wal import readings, storage_archive
from pgbackstop_runner.wal.storage_archive import StorageArchive
from pgbackstop_runner.workspace import Workspace


@dataclass
class CopyMending:
    """What verify has found in one storage; each is tried once after each reading.

    But for ``conflicts``: by their name, the storage had something else than the archive here.
    """

    workspace: Workspace
    server: str
    storage: str
    conflicts: Container[str]
    _tried: dict[str, datetime] = field(default_factory=dict)
    _damaged: frozenset[str] = frozenset()

    def look(self, archive: StorageArchive, root: Path, local: Mapping[str, Entry]) -> None:
        """Send again what can be. Raises StoreError, OSError, CatalogError."""
        path = self.workspace.state.wal_copy_readings(self.storage, self.server)
        known = readings.read(path)
        found = known.damaged if known else ()
        new = [each.name for each in found if known and self._tried.get(each.name) != known.updated_at]
        self._tried |= {name: known.updated_at for name in new if known}
        mended = {name for name in new if self._mend(archive, root, local.get(name), name)}
        if mended:
            archive.write_index(storage_archive.part_of(name) for name in mended)
            readings.forget(self.workspace.state, path, mended)
        self._damaged = frozenset(each.name for each in found) - mended

    def good(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of what the storage lists that are not damaged."""
        return [each for each in entries if each.name not in self._damaged]

    def _mend(self, archive: StorageArchive, root: Path, entry: Entry | None, name: str) -> bool:
        there = archive.entries.get(name)
        if entry is None or there is None or name in self.conflicts:
            return False
        try:
            sent = send(archive, root, entry)
            if there.path != sent.path:
                archive.store.remove([archive.path(there.path)])
        except (errors.PgbackstopError, OSError) as error:
            log.logger().error("not mended", server=self.server, storage=self.storage, reason=str(error))
            return False
        archive.entries[sent.name] = sent
        archive.sizes.pop(there.path, None)
        archive.sizes[sent.path] = sent.there_bytes
        log.logger().warning("mended", server=self.server, storage=self.storage, segment=sent.name)
        return True


def send(archive: StorageArchive, root: Path, entry: Entry) -> Entry:
    """Store a segment of the archive at ``root``; the line that the storage is to have.

    Raises SourceChanged where it is not what was archived, StoreError, OSError.
    """
    file = StoredFile(path=entry.path, size_bytes=entry.size_bytes, sha256=entry.sha256)
    with original.opened(root / entry.path, file) as stream:
        sent = archive.store.put(stream, archive.path(entry.path), file.size_bytes)
    if archive.store.encrypted_for is None:
        return entry
    return entry._replace(stored_bytes=sent.size_bytes, stored_sha256=sent.sha256)
