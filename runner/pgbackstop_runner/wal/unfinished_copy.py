"""The segment that is not complete yet, on its way to a further storage: so a lost host costs less."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment, WalState
from pgbackstop_catalog.records import codec
from pgbackstop_runner.wal import storage_archive
from pgbackstop_runner.wal.pg_receivewal import PARTIAL_SUFFIX
from pgbackstop_runner.wal.storage_archive import LOOSE, StorageArchive

LARGEST = 64 * 2**20  # bytes; it is read into memory, and sent again and again


@dataclass
class UnfinishedSegment:
    """Sends the files of an archive that are not in their place yet, where they have changed."""

    root: Path
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def send(self, archive: StorageArchive, told: WalState, segment_bytes: int) -> bool:
        """Send them, then ``told``, which is from before; False where the storage lacks what that promises.

        Raises StoreError, OSError.
        """
        found = self._read()
        # What was moved aside goes first: what is received anew may be shorter, and replaces it.
        for path, (stamp, content) in reversed(found.items()):
            if self._sent.get(path) != stamp:
                archive.store.put_bytes(content, archive.path(path))
                archive.sizes[path] = len(content)
                self._sent[path] = stamp
        if not _reaches(told, archive, found, segment_bytes):
            return False
        archive.store.put_bytes(codec.encode(told), archive.path(storage_archive.STATE))
        archive.state = told
        _remove_passed(archive)
        return True

    def _read(self) -> dict[str, tuple[tuple[int, int], bytes]]:
        """Size, time and content; received ones first: a file that is moved aside meanwhile is seen there."""
        found = {}
        for name in LOOSE:
            for path in sorted((self.root / name).glob(f"[0-9A-F]*{PARTIAL_SUFFIX}")):
                with contextlib.suppress(FileNotFoundError, regular_file.Unusual):
                    found[f"{name}/{path.name}"] = _content(path)
        return found


def _content(path: Path) -> tuple[tuple[int, int], bytes]:
    """Raises Unusual for one that is larger, or no file: a link would lead to one that is none of WAL."""
    with os.fdopen(regular_file.descriptor(path, follows=False), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > LARGEST:
            raise regular_file.Unusual
        return (status.st_size, status.st_mtime_ns), regular_file.read_all(file.fileno(), LARGEST)


def _reaches(told: WalState, archive: StorageArchive, loose: Iterable[str], segment_bytes: int) -> bool:
    """Whether the storage has the segment with the last byte that the receiver had. Pure."""
    if told.received_lsn is None or told.timeline is None:
        return False
    number = (wal_segments.parse_lsn(told.received_lsn) - 1) // segment_bytes
    name = Segment(timeline=told.timeline, number=number).name(segment_bytes)
    return name in archive.entries or any(PurePosixPath(path).name.startswith(name) for path in loose)


def _remove_passed(archive: StorageArchive) -> None:
    """Remove what is complete by now."""
    passed = [
        path
        for path in archive.sizes
        if path.startswith(LOOSE) and PurePosixPath(path).name[:24] in archive.entries
    ]
    archive.store.remove(archive.path(path) for path in sorted(passed))
    for path in passed:
        del archive.sizes[path]
