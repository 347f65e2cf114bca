"""A stored physical backup: pg_verifybackup, the WAL that it brings, the backups that it is built on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import backup_manifest, base_backup_files, tar_extract
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.postgres.client_process import Limits
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import compression, streams
from pgbackstop_runner.system.files import STAGING_SUFFIX, free_bytes, remove_tree, storage_errors
from pgbackstop_runner.verify import file_digests, tool_failure
from pgbackstop_runner.workspace import Workspace

# pg_verifybackup reads tar files since 18, but no WAL in them.
_TAR_SINCE = 18
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # link(2)


def gzip_ends(folder: Path, files: Sequence[StoredFile]) -> str:
    """Decompress what is gzip to its end. Raises AttemptFailed (corrupt)."""
    names = [each.path for each in files if each.path.endswith(".gz")]
    for name in names:
        with compression.opened(folder / name) as file:
            while file.read(streams.CHUNK):
                pass
    return f"{len(names)} gzip files decompressed"


def chain(workspace: Workspace, backup: Backup) -> str:
    """That every backup under an incremental one is there. Raises AttemptFailed (corrupt)."""
    by_id = {each.id: each for each in workspace.catalog.backups(backup.plan)}
    links, seen = backup, {backup.id}
    while links.parent is not None:
        parent = by_id.get(links.parent)
        if parent is None or not parent.is_available or parent.id in seen:
            raise tool_failure.corrupt(
                f"Its parent {links.parent} is not there any more, or is no good backup."
            )
        _require_link(workspace, parent)
        links = parent
        seen.add(parent.id)
    return f"{len(seen) - 1} parents are there, down to the full backup {links.id}"


def _require_link(workspace: Workspace, parent: Backup) -> None:
    """Names, sizes and manifest of a parent: its content has a proof of its own."""
    found = file_digests.place(workspace, parent)
    problem = file_digests.present(found.folder, file_digests.listed(found))
    if problem:
        raise tool_failure.corrupt(f"Its parent {parent.id} is not whole: {problem}.")
    try:
        backup_manifest.read(found.folder)
    except AttemptFailed as error:
        raise tool_failure.corrupt(f"Its parent {parent.id} is not whole: {error.problem}") from error


def whole_server(
    stored: StoredBackup, files: Sequence[StoredFile], binaries: Binaries, limits: Limits
) -> str:
    """Run pg_verifybackup, and read the backup's own WAL record by record. Says what was done.

    Raises AttemptFailed: (corrupt) with the tool's words, (space) where there is no room to unpack it,
    (stalled) where the disk gives a tool nothing any more.
    """
    found = backup_manifest.read(stored.folder)
    reader = _Reader(binaries=binaries, limits=limits)
    if binaries.major >= _TAR_SINCE:
        return _in_tar(stored, files, reader, found)
    return _unpacked(stored, files, reader, found)


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Tools that read a backup and are given up when they read no more."""

    binaries: Binaries
    limits: Limits

    def run(self, name: str, folder: Path, *arguments: str) -> None:
        """Let the tool read that folder."""
        argv = [self.binaries.path(name), *arguments]
        cell = self.binaries.reader(folder)
        try:
            client_process.run(name, argv, limits=self.limits, silent=True, cell=cell)
        except AttemptFailed as error:
            raise tool_failure.of_tool(error) from error


def _in_tar(
    stored: StoredBackup, files: Sequence[StoredFile], reader: _Reader, found: backup_manifest.Manifest
) -> str:
    wal_files = [each for each in files if each.path.startswith("pg_wal.tar")]
    with _staging(stored.folder, _wal_bytes(stored.backup)) as staging:
        # It minds strangers, so it gets the backup's own files alone.
        for each in files:
            _beside(stored.path(each.path), staging / each.path)
        reader.run("pg_verifybackup", staging, "--quiet", "--no-parse-wal", str(staging))
        remove_tree(staging)
        # Its folder comes with base.tar, and pg_wal.tar has files for it.
        (staging / "pg_wal" / "archive_status").mkdir(mode=0o700, parents=True)
        _unpack(stored, wal_files, staging)
        parsed = _parse_wal(staging / "pg_wal", reader, found)
    return f"pg_verifybackup {reader.binaries.version}, {parsed}"


def _unpacked(
    stored: StoredBackup, files: Sequence[StoredFile], reader: _Reader, found: backup_manifest.Manifest
) -> str:
    with _staging(stored.folder, found.data_bytes + _wal_bytes(stored.backup)) as staging:
        _unpack(stored, files, staging)
        # It would start pg_waldump by a shell, in which the path of a storage means something else.
        reader.run("pg_verifybackup", staging, "--quiet", "--no-parse-wal", str(staging))
        parsed = _parse_wal(staging / "pg_wal", reader, found)
    return f"pg_verifybackup {reader.binaries.version}, {parsed}"


def _parse_wal(folder: Path, reader: _Reader, found: backup_manifest.Manifest) -> str:
    """Every record between the backup's start and stop, each with its checksum."""
    if not reader.binaries.has("pg_waldump"):
        return "its WAL not parsed"
    for timeline, start, end in found.wal:
        span = [f"--timeline={timeline}", f"--start={start}", f"--end={end}"]
        reader.run("pg_waldump", folder, "--quiet", f"--path={folder}", *span)
    return "its WAL parsed"


def _wal_bytes(backup: Backup) -> int:
    """What the backup's own WAL takes, in whole segments."""
    facts = backup.server_facts
    size = (facts.wal_segment_bytes if facts else None) or wal_segments.DEFAULT_SEGMENT_BYTES
    if backup.start_lsn is None or backup.stop_lsn is None:
        return size
    span = wal_segments.parse_lsn(backup.stop_lsn) - wal_segments.parse_lsn(backup.start_lsn)
    return (span // size + 2) * size


@contextmanager
def _staging(folder: Path, needed: int) -> Iterator[Path]:
    """An empty folder beside the backup with that much room; it is gone afterwards."""
    _require_room(folder, needed)
    staging = staging_of(folder)
    remove_tree(staging)
    try:
        with storage_errors(staging):
            staging.mkdir(mode=0o700)
            yield staging
    finally:
        remove_tree(staging)


def _require_room(folder: Path, needed: int) -> None:
    free = free_bytes(folder) or 0
    if free < needed:
        room = f"{units.format_size(needed)} needed, {units.format_size(free)} free"
        problem = f"There is no room to unpack the backup for pg_verifybackup: {room}."
        raise AttemptFailed(Reason.SPACE, problem, remedy="Make room in the storage.")


def staging_of(folder: Path) -> Path:
    """Where a backup is unpacked to be read back."""
    return folder.with_name(folder.name + STAGING_SUFFIX)


def _unpack(stored: StoredBackup, files: Sequence[StoredFile], staging: Path) -> None:
    room = base_backup_files.room(stored, stored.backup)
    for each in files:
        if ".tar" not in each.path:
            staging.mkdir(mode=0o700, exist_ok=True)
            _beside(stored.path(each.path), staging / each.path)
            continue
        target = staging / _destination(each.path)
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            room -= tar_extract.tar(stored, each, target, room=room)
        except errors.CatalogError as error:
            raise AttemptFailed(Reason.CORRUPT, error.problem, remedy=error.remedy) from error


def _beside(stored: Path, path: Path) -> None:
    """The same file under a further name; a copy where the file system has no such names (SMB, exFAT)."""
    try:
        path.hardlink_to(stored)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _require_room(path.parent, stored.stat().st_size)
        shutil.copyfile(stored, path)


def _destination(name: str) -> PurePosixPath:
    base = name.partition(".tar")[0]
    if base == "base":
        return PurePosixPath()
    return PurePosixPath("pg_wal") if base == "pg_wal" else PurePosixPath("pg_tblspc", base)
