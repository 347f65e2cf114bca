"""A base backup's tar files as a data directory: hashed while they are read, every name checked.

Names come from a storage that somebody may have tampered with: an entry that points outside is refused,
and so is one that is neither file, folder, nor a tablespace's link.
"""

from __future__ import annotations

import ctypes
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import backup_manifest, base_backup_files
from pgbackstop_runner.formats.base_backup_files import Hashed
from pgbackstop_runner.formats.tar_member import PlainMember
from pgbackstop_runner.storage.backup_files import BackupFiles
from pgbackstop_runner.system import streams
from pgbackstop_runner.system.read_ahead import Ahead

_LIBC = ctypes.CDLL(None, use_errno=True)
_OFFSET = ctypes.c_int64
_SYNC_FILE_RANGE_WRITE = 2  # https://man7.org/linux/man-pages/man2/sync_file_range.2.html
_WRITE_BACK = 16 << 20
GROUP_READS = 0o040  # PostgreSQL knows data directories of mode 0700 and 0750, and no others


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
    left = base_backup_files.room(source, record)
    for stored in source.files():
        place = _place(stored.path, target)
        if place is not None:
            left -= tar(source, stored, place, version=target.version, room=left)
        elif stored.path == backup_manifest.NAME:
            _copy(source, stored, target.data / backup_manifest.NAME)
        done += stored.size_bytes
        on_bytes(done)
    _link_tablespaces(target)


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
    room = base_backup_files.UNKNOWN_ROOM if room is None else room
    unpacked = 0
    try:
        with base_backup_files.opened(source, stored.path) as (hashed, plain):
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
        raise base_backup_files.damaged(
            path, f"it does not unpack ({base_backup_files.words(error)})"
        ) from error
    if digest != stored.sha256:
        raise base_backup_files.damaged(path)
    return unpacked


def _chunks(hashed: Hashed, plain: IO[bytes]) -> Iterator[bytes]:
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
    target.write_bytes(base_backup_files.whole(source, stored))
    target.chmod(0o600)


def _link_tablespaces(target: ExtractTarget) -> None:
    """Links of our own instead of the backup's map, which names the places of the server that was."""
    (target.data / "tablespace_map").unlink(missing_ok=True)
    for oid, place in target.tablespaces.items():
        (target.data / "pg_tblspc" / str(oid)).symlink_to(place)


def _suspicious(path: str, what: str) -> errors.CatalogError:
    return errors.CatalogError(
        f"{path} has {what}.", remedy="Do not use this backup: somebody may have changed it."
    )
