"""WAL that a further storage is refused: it has other content under that name, or the file here is damaged.

A conflict ends once what was seen is another: the object there was removed or replaced, the file here
mended or expired. Then the segment is compared, or sent, like any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_runner.system import log, stop_requests
from pgbackstop_runner.wal import storage_archive
from pgbackstop_runner.wal.storage_archive import StorageArchive

INTERVAL = 60.0  # seconds between two listings of the folders of what is in conflict

Seen = tuple[object, ...]


@dataclass
class CopyConflicts:
    """Those of one server's WAL in one storage, as far as this process has found them."""

    server: str
    storage: str
    root: Path
    _seen: dict[str, Seen] = field(default_factory=dict)
    _listing_due: stop_requests.Every = field(default_factory=lambda: stop_requests.Every(INTERVAL))

    def __contains__(self, name: object) -> bool:
        return name in self._seen

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._seen))

    def refuse(self, archive: StorageArchive, entry: Entry, reason: str) -> None:
        """It is neither sent nor compared again before something has changed."""
        self._seen[entry.name] = self._look(archive, entry)
        log.logger().error(
            "segment not copied",
            server=self.server,
            storage=self.storage,
            segment=entry.name,
            reason=reason,
        )

    def settled(self, archive: StorageArchive, local: Mapping[str, Entry]) -> set[str]:
        """Those that are none any more, and are forgotten. Raises StoreError."""
        if self._seen and self._listing_due():
            self._list_again(archive, [local[name] for name in self if name in local])
        found = {
            name
            for name, before in self._seen.items()
            if name not in local or self._look(archive, local[name]) != before
        }
        for name in sorted(found):
            del self._seen[name]
            log.logger().info("conflict settled", server=self.server, storage=self.storage, segment=name)
        return found

    def _look(self, archive: StorageArchive, entry: Entry) -> Seen:
        """Its file here, and what the storage lists under the names that it may have there."""
        file = None
        with contextlib.suppress(OSError):
            file = (self.root / entry.path).stat()
        there = tuple(archive.sizes.get(path) for path in storage_archive.paths_of(entry.path))
        return entry.sha256, file and (file.st_ino, file.st_size, file.st_mtime_ns), there

    def _list_again(self, archive: StorageArchive, entries: list[Entry]) -> None:
        folders = {str(PurePosixPath(each.path).parent) for each in entries}
        listed = {
            path: size for folder in folders for path, size in archive.store.files(archive.path(folder))
        }
        for path in (path for each in entries for path in storage_archive.paths_of(each.path)):
            archive.sizes.pop(path, None)
            if archive.path(path) in listed:
                archive.sizes[path] = listed[archive.path(path)]
