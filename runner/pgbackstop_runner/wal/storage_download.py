"""WAL segments that a recovery needs, fetched from a further storage: a few at once, and each compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_runner.wal import segment_file, storage_archive
from pgbackstop_runner.wal.storage_archive import StorageArchive

_MOST_MEMORY = 256 * 2**20  # bytes of segments on their way
_REMEDY = "Choose a target before it, or another storage with --from."


def check(entries: Iterable[Entry], remote: StorageArchive, storage: str) -> int:
    """Compare names and sizes; returns the bytes. Raises CatalogError for one that is missing or cut off.

    Their content is compared when it comes, and would come twice otherwise. Of encrypted ones the first and
    the last are opened: raises Sealed, StoreError where that fails.
    """
    total, wanted = 0, tuple(entries)
    for entry in wanted:
        if not remote.is_there(entry):
            found = remote.sizes.get(entry.path)
            how = "is not there" if found is None else f"has {found} of {entry.there_bytes} bytes"
            raise errors.CatalogError(
                f"WAL segment {entry.name} {how} in {storage}; nothing was touched.", remedy=_REMEDY
            )
        total += entry.size_bytes
    for entry in (*wanted[:1], *wanted[1:][-1:]):
        if entry.stored_bytes is not None:
            with remote.store.open(remote.path(entry.path), entry.stored_bytes) as stream:
                stream.read(1)
    return total


def download(
    entries: Iterable[Entry], remote: StorageArchive, target: Path, *, storage: str, size: int
) -> None:
    """Put them into a folder, under their names; ``size`` is a segment's. Raises StoreError, OSError.

    Raises CatalogError for one that is not what was archived.
    """

    def fetch(entry: Entry) -> None:
        content, place = remote.store.read(remote.path(entry.path)), target / entry.path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_bytes(content)
        if not _is_intact(entry, content, place, size):
            problem = f"WAL segment {entry.name} in {storage} is damaged: it is not what was archived."
            raise errors.CatalogError(problem, remedy=_REMEDY)

    with ThreadPoolExecutor(max(1, min(storage_archive.LANES, _MOST_MEMORY // size))) as pool:
        for _ in pool.map(fetch, (entry for entry in entries if entry.is_segment)):
            pass


def _is_intact(entry: Entry, content: bytes, place: Path, size: int) -> bool:
    """By its hash; where no index tells that, by the checksums of what it is compressed with."""
    if entry.sha256:
        return hashlib.sha256(content).hexdigest() == entry.sha256
    try:
        return segment_file.length(place) == size
    except segment_file.Damaged:
        return False
