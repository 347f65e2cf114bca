"""The files of a base backup as they are stored: read, compared with the record, and looked into."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, cast

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import backup_manifest
from pgbackstop_runner.formats.tar_member import PlainMember
from pgbackstop_runner.storage.backup_files import BackupFiles
from pgbackstop_runner.system import compression

UNKNOWN_ROOM = 1 << 62
_LARGEST_SEGMENT = 1 << 30
_BESIDE = 16 << 20  # the backup's label and what is not in the manifest


class Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


def room(source: BackupFiles, record: Backup) -> int:
    """How many bytes of files the backup may unpack to: what its manifest lists, and the WAL beside that.

    A small archive can hold the zeros that fill a disk. Raises CatalogError for a damaged manifest.
    """
    manifest = _manifest(source.files())
    if manifest is None:
        return UNKNOWN_ROOM
    try:
        listed = backup_manifest.parse(whole(source, manifest))
        wal = wal_segments.parse_lsn(listed.stop_lsn) - wal_segments.parse_lsn(listed.start_lsn)
    except (AttemptFailed, ValueError) as error:
        raise damaged(source.where(manifest.path), words(error)) from error
    # WAL comes in whole segments, at both ends of what the manifest names.
    segment = (record.server_facts and record.server_facts.wal_segment_bytes) or _LARGEST_SEGMENT
    return listed.data_bytes + max(0, wal) + 3 * segment + _BESIDE


def _manifest(files: Iterable[StoredFile]) -> StoredFile | None:
    return next((stored for stored in files if stored.path == backup_manifest.NAME), None)


def listed(source: BackupFiles) -> frozenset[str]:
    """The server's files that the backup's manifest lists; none where it has none. Raises CatalogError."""
    manifest = _manifest(source.files())
    if manifest is None:
        return frozenset()
    try:
        return backup_manifest.paths(whole(source, manifest))
    except AttemptFailed as error:
        raise damaged(source.where(manifest.path), words(error)) from error


def small_files(source: BackupFiles, names: Set[str], most: int) -> dict[str, bytes]:
    """The first ``most`` bytes of those files of the data directory; reading ends with the last of them.

    Nothing is hashed: they are read once more when they are unpacked. Raises CatalogError.
    """
    paths = (stored.path for stored in source.files())
    base = next((path for path in paths if path.partition(".tar")[0] == "base"), None)
    if base is None:
        raise damaged(source.where("base.tar"), "it is not among the backup's files")
    found: dict[str, bytes] = {}
    try:
        with (
            opened(source, base) as (_hashed, plain),
            tarfile.open(fileobj=plain, mode="r|", tarinfo=PlainMember) as archive,
        ):
            for member in archive:
                if member.name in names and member.isfile() and (file := archive.extractfile(member)):
                    found[member.name] = file.read(most)
                if found.keys() == names:
                    break
    except (tarfile.TarError, AttemptFailed) as error:
        raise damaged(source.where(base), f"it does not unpack ({words(error)})") from error
    return found


@contextmanager
def opened(source: BackupFiles, name: str) -> Iterator[tuple[Hashed, IO[bytes]]]:
    """The stored bytes, hashed, and the plain ones that they give."""
    try:
        stored = source.open(name)
    except OSError as error:
        raise unreadable(source.where(name), error) from error
    with stored as raw:
        hashed = Hashed(raw)
        with compression.decompressed(PurePosixPath(name).suffix, cast("IO[bytes]", hashed)) as plain:
            yield hashed, plain


def whole(source: BackupFiles, stored: StoredFile) -> bytes:
    """A file's bytes, which are those on record. Raises CatalogError."""
    where = source.where(stored.path)
    try:
        with source.open(stored.path) as file:
            content = file.read()
    except OSError as error:
        raise unreadable(where, error) from error
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise damaged(where)
    return content


def damaged(path: str, how: str = "its SHA-256 is not the one on record") -> errors.CatalogError:
    """The error for bytes that are not those on record."""
    return errors.CatalogError(
        f"{path} is damaged: {how}.", remedy="Take another backup, or another copy of this one."
    )


def unreadable(path: str, error: OSError) -> errors.CatalogError:
    """The error for bytes that the storage does not give."""
    return errors.CatalogError(
        f"{path} cannot be read: {error.strerror}.", remedy="Take another backup, or another copy."
    )


def words(error: Exception) -> str:
    """What an error says, as a part of a sentence."""
    return str(error).rstrip(".")
