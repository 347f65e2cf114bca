"""A base backup's tar files as a data directory: hashed while they are read, every name checked.

Names come from a storage that somebody may have tampered with: an entry that points outside is refused,
and so is one that is neither file, folder, nor a tablespace's link.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import backup_manifest
from pgbackstop_runner.formats.tar_member import PlainMember
from pgbackstop_runner.storage.backup_files import BackupFiles
from pgbackstop_runner.system import compression, streams
from pgbackstop_runner.system.read_ahead import Ahead

_LIBC = ctypes.CDLL(None, use_errno=True)
_OFFSET = ctypes.c_int64
_SYNC_FILE_RANGE_WRITE = 2  # https://man7.org/linux/man-pages/man2/sync_file_range.2.html
_WRITE_BACK = 16 << 20
_UNKNOWN_ROOM = 1 << 62
_LARGEST_SEGMENT = 1 << 30
GROUP_READS = 0o040  # PostgreSQL knows data directories of mode 0700 and 0750, and no others
_BESIDE = 16 << 20  # the backup's label and what is not in the manifest


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


@dataclass(frozen=True, kw_only=True)
class ExtractTarget:
    """Where a backup is unpacked to; ``tablespaces`` by OID. Folders are there and empty.

    ``version`` is where PG_VERSION goes: a data directory without it is refused by PostgreSQL, so it is
    put into its place when everything else is done.
    """

    data: Path
    tablespaces: Mapping[int, Path]
    version: Path


def backup(
    source: BackupFiles, record: Backup, target: ExtractTarget, on_bytes: Callable[[int], None]
) -> None:
    """Unpack one backup; a tablespace without a folder is left out.

    ``on_bytes`` hears of the stored bytes read. Raises CatalogError for bytes that are not what was stored,
    OSError where they cannot be written.
    """
    done = 0
    left = room(source, record)
    for stored in source.files():
        place = _place(stored.path, target)
        if place is not None:
            left -= tar(source, stored, place, version=target.version, room=left)
        elif stored.path == backup_manifest.NAME:
            _copy(source, stored, target.data / backup_manifest.NAME)
        done += stored.size_bytes
        on_bytes(done)
    _link_tablespaces(target)


def room(source: BackupFiles, record: Backup) -> int:
    """How many bytes of files the backup may unpack to: what its manifest lists, and the WAL beside that.

    A small archive can hold the zeros that fill a disk. Raises CatalogError for a damaged manifest.
    """
    manifest = _manifest(source.files())
    if manifest is None:
        return _UNKNOWN_ROOM
    try:
        listed = backup_manifest.parse(_whole(source, manifest))
        wal = wal_segments.parse_lsn(listed.stop_lsn) - wal_segments.parse_lsn(listed.start_lsn)
    except (AttemptFailed, ValueError) as error:
        raise _damaged(source.where(manifest.path), _words(error)) from error
    # WAL comes in whole segments, at both ends of what the manifest names.
    segment = (record.server_facts and record.server_facts.wal_segment_bytes) or _LARGEST_SEGMENT
    return listed.data_bytes + max(0, wal) + 3 * segment + _BESIDE


def tar(
    source: BackupFiles,
    stored: StoredFile,
    target: Path,
    *,
    version: Path | None = None,
    room: int | None = None,
) -> int:
    """Unpack one file of a backup, and compare its hash; returns the bytes of the files in it.

    Raises CatalogError, for more than ``room`` bytes too, and OSError.
    """
    path = source.where(stored.path)
    room = _UNKNOWN_ROOM if room is None else room
    unpacked = 0
    try:
        with _opened(source, stored.path) as (hashed, plain):
            with (
                Ahead(_chunks(hashed, plain)) as ahead,
                tarfile.open(fileobj=cast("IO[bytes]", ahead), mode="r:", tarinfo=PlainMember) as archive,
            ):
                for member in archive:
                    unpacked += member.size if member.isfile() else 0
                    if unpacked > room:
                        raise _suspicious(path, "more in it than the backup's manifest lists")
                    _extract(ahead, member, target, path, version)
                ahead.finish()
            digest = hashed.digest.hexdigest()
    except (tarfile.TarError, AttemptFailed) as error:
        raise _damaged(path, f"it does not unpack ({_words(error)})") from error
    if digest != stored.sha256:
        raise _damaged(path)
    return unpacked


def _manifest(files: Iterable[StoredFile]) -> StoredFile | None:
    return next((stored for stored in files if stored.path == backup_manifest.NAME), None)


def listed(source: BackupFiles) -> frozenset[str]:
    """The server's files that the backup's manifest lists; none where it has none. Raises CatalogError."""
    manifest = _manifest(source.files())
    if manifest is None:
        return frozenset()
    try:
        return backup_manifest.paths(_whole(source, manifest))
    except AttemptFailed as error:
        raise _damaged(source.where(manifest.path), _words(error)) from error


def small_files(source: BackupFiles, names: Set[str], most: int) -> dict[str, bytes]:
    """The first ``most`` bytes of those files of the data directory; reading ends with the last of them.

    Nothing is hashed: they are read once more when they are unpacked. Raises CatalogError.
    """
    base = next(stored.path for stored in source.files() if stored.path.partition(".tar")[0] == "base")
    found: dict[str, bytes] = {}
    try:
        with (
            _opened(source, base) as (_hashed, plain),
            tarfile.open(fileobj=plain, mode="r|", tarinfo=PlainMember) as archive,
        ):
            for member in archive:
                if member.name in names and member.isfile() and (file := archive.extractfile(member)):
                    found[member.name] = file.read(most)
                if found.keys() == names:
                    break
    except (tarfile.TarError, AttemptFailed) as error:
        raise _damaged(source.where(base), f"it does not unpack ({_words(error)})") from error
    return found


def _chunks(hashed: _Hashed, plain: IO[bytes]) -> Iterator[bytes]:
    """All plain bytes; then the stored ones behind them, which are part of what was hashed."""
    while chunk := plain.read(streams.CHUNK):
        yield chunk
    while hashed.read(streams.CHUNK):
        pass


def sync(folder: Path) -> None:
    """Make all of the file system under ``folder`` durable: one call instead of one for each file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _place(name: str, target: ExtractTarget) -> Path | None:
    base, dot, _ = name.partition(".tar")
    if not dot:
        return None
    if base == "base":
        return target.data
    if base == "pg_wal":
        return target.data / "pg_wal"
    return target.tablespaces.get(int(base)) if base.isdecimal() else None


@contextmanager
def _opened(source: BackupFiles, name: str) -> Iterator[tuple[_Hashed, IO[bytes]]]:
    """The stored bytes, hashed, and the plain ones that they give."""
    try:
        opened = source.open(name)
    except OSError as error:
        raise _unreadable(source.where(name), error) from error
    with opened as raw:
        hashed = _Hashed(raw)
        with compression.decompressed(PurePosixPath(name).suffix, cast("IO[bytes]", hashed)) as plain:
            yield hashed, plain


def _extract(ahead: Ahead, member: tarfile.TarInfo, target: Path, path: str, version: Path | None) -> None:
    inside = PurePosixPath(member.name)
    if inside.is_absolute() or ".." in inside.parts:
        raise _suspicious(path, f"an entry that points outside: {member.name!r}")
    place = target / inside
    try:
        if member.isdir():
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if member.mode & GROUP_READS:
                place.chmod(0o750)
        elif member.isfile():
            is_version = version is not None and inside == PurePosixPath("PG_VERSION")
            _write(ahead, member, version if is_version and version is not None else place)
        elif not (member.issym() and inside.parent == PurePosixPath("pg_tblspc")):
            raise _suspicious(path, f"an entry that is neither file nor folder: {member.name!r}")
    except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise _suspicious(path, f"an entry that has no place: {member.name!r}") from error


def _write(ahead: Ahead, member: tarfile.TarInfo, place: Path) -> None:
    """O_EXCL never follows a link, and no two entries have one name. Raises tarfile.ReadError."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        if member.mode & GROUP_READS:
            os.fchmod(descriptor, 0o640)
        left, unsent = member.size, 0
        while left:
            piece = ahead.piece(left)
            if not piece:
                raise tarfile.ReadError("unexpected end of data")
            left -= len(piece)
            unsent += len(piece)
            while piece:
                piece = piece[file.write(piece) :]
            if unsent >= _WRITE_BACK or not left:
                _begin_writing(file.fileno())
                unsent = 0


def _begin_writing(descriptor: int) -> None:
    """Let the disk begin now: the kernel would keep gigabytes in memory until the sync at the end."""
    _LIBC.sync_file_range(descriptor, _OFFSET(0), _OFFSET(0), _SYNC_FILE_RANGE_WRITE)


def _copy(source: BackupFiles, stored: StoredFile, target: Path) -> None:
    target.write_bytes(_whole(source, stored))
    target.chmod(0o600)


def _whole(source: BackupFiles, stored: StoredFile) -> bytes:
    """A file's bytes, which are those on record. Raises CatalogError."""
    where = source.where(stored.path)
    try:
        with source.open(stored.path) as file:
            content = file.read()
    except OSError as error:
        raise _unreadable(where, error) from error
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise _damaged(where)
    return content


def _link_tablespaces(target: ExtractTarget) -> None:
    """Links of our own instead of the backup's map, which names the places of the server that was."""
    (target.data / "tablespace_map").unlink(missing_ok=True)
    for oid, place in target.tablespaces.items():
        (target.data / "pg_tblspc" / str(oid)).symlink_to(place)


def _damaged(path: str, how: str = "its SHA-256 is not the one on record") -> errors.CatalogError:
    return errors.CatalogError(
        f"{path} is damaged: {how}.", remedy="Take another backup, or another copy of this one."
    )


def _suspicious(path: str, what: str) -> errors.CatalogError:
    return errors.CatalogError(
        f"{path} has {what}.", remedy="Do not use this backup: somebody may have changed it."
    )


def _unreadable(path: str, error: OSError) -> errors.CatalogError:
    return errors.CatalogError(
        f"{path} cannot be read: {error.strerror}.", remedy="Take another backup, or another copy."
    )


def _words(error: Exception) -> str:
    return str(error).rstrip(".")
