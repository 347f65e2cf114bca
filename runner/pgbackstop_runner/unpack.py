"""A base backup's tar files as a data directory: hashed while they are read, every name checked.

Names come from a storage that somebody may have tampered with: an entry that points outside is refused,
and so is one that is neither file, folder, nor a tablespace's link.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import Backup, StoredFile
from pgbackstop_runner import manifest, physical, stream

_LIBC = ctypes.CDLL(None, use_errno=True)


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


def backup(
    folder: Path,
    record: Backup,
    data: Path,
    tablespaces: Mapping[int, Path],
    on_bytes: Callable[[int], None],
) -> None:
    """Unpack one backup into ``data``, which is there and empty, and each tablespace into its folder.

    ``on_bytes`` hears of the stored bytes read. Raises CatalogError for bytes that are not what was stored.
    """
    done = 0
    for stored in record.files:
        target = _target(stored.path, data, tablespaces)
        if target is not None:
            _unpack(folder, stored, target)
        elif stored.path == manifest.NAME:
            _copy(folder, stored, data / manifest.NAME)
        done += stored.size_bytes
        on_bytes(done)
    _link_tablespaces(data, tablespaces)


def sync(folder: Path) -> None:
    """Make all of the file system under ``folder`` durable: one call instead of one for each file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _target(name: str, data: Path, tablespaces: Mapping[int, Path]) -> Path | None:
    base, dot, _ = name.partition(".tar")
    if not dot:
        return None
    if base == "base":
        return data
    return data / "pg_wal" if base == "pg_wal" else tablespaces[int(base)]


def _unpack(folder: Path, stored: StoredFile, target: Path) -> None:
    path = folder / stored.path
    with (
        _opened(path) as (hashed, plain),
        tarfile.open(fileobj=plain, mode="r|", bufsize=stream.CHUNK) as archive,
    ):
        for member in archive:
            _extract(archive, member, target, path.name)
        while plain.read(stream.CHUNK):
            pass  # the padding behind the last entry is part of what was hashed
        while hashed.read(stream.CHUNK):
            pass
    if hashed.digest.hexdigest() != stored.sha256:
        raise _damaged(path)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_Hashed, IO[bytes]]]:
    """The stored bytes, hashed, and the plain ones that they give."""
    with path.open("rb") as raw:
        hashed = _Hashed(raw)
        with physical.decompressed(path.suffix, cast("IO[bytes]", hashed)) as plain:
            yield hashed, plain


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, name: str) -> None:
    inside = PurePosixPath(member.name)
    if inside.is_absolute() or ".." in inside.parts:
        raise errors.CatalogError(
            f"{name} has an entry that points outside: {member.name!r}.", remedy="Do not use this backup."
        )
    place = target / inside
    if member.isdir():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif member.isfile():
        source = archive.extractfile(member)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while source is not None and (chunk := source.read(stream.CHUNK)):
                file.write(chunk)
    elif not (member.issym() and inside.parent.name == "pg_tblspc"):
        raise errors.CatalogError(
            f"{name} has an entry that is neither file nor folder: {member.name!r}.",
            remedy="Do not use this backup.",
        )


def _copy(folder: Path, stored: StoredFile, target: Path) -> None:
    content = (folder / stored.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise _damaged(folder / stored.path)
    target.write_bytes(content)
    target.chmod(0o600)


def _link_tablespaces(data: Path, tablespaces: Mapping[int, Path]) -> None:
    """Links of our own instead of the backup's map, which names the places of the server that was."""
    (data / "tablespace_map").unlink(missing_ok=True)
    for oid, place in tablespaces.items():
        (data / "pg_tblspc" / str(oid)).symlink_to(place)


def _damaged(path: Path) -> errors.CatalogError:
    return errors.CatalogError(
        f"{path} is damaged: its SHA-256 is not the one on record.",
        remedy="Take another backup, or another copy of this one.",
    )
