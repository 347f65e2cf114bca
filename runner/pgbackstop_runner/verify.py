"""Reading a backup back with PostgreSQL's own tools, right after it was made.

Logical: the archive's table of contents against the tables of the snapshot, and the stored bytes against
their hash. Physical: pg_verifybackup, which before 18 needs the backup unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.records import Backup, Reason, StoredFile
from pgbackstop_catalog.values import utc_now
from pgbackstop_runner import physical, stream, tools, unpack
from pgbackstop_runner.attempt import STAGING_SUFFIX, Attempt, remove_tree, storage_errors
from pgbackstop_runner.binaries import Binaries
from pgbackstop_runner.failure import AttemptFailed
from pgbackstop_runner.logical import GLOBALS, Dump

# pg_verifybackup reads tar files since 18.
_TAR_SINCE = 18
_TIMEOUT = 600


def logical(attempt: Attempt, binaries: Binaries, dump: Dump) -> None:
    """Read the dump back. Raises AttemptFailed (incomplete, corrupt)."""
    _bytes(attempt, dump)
    if attempt.record.format == "plain":
        _plain(attempt.folder / dump.name, len(dump.tables))
        how = "sha256 read back, end of the dump found"
    else:
        _contents(attempt, binaries, dump)
        how = "sha256 read back, pg_restore --list has every table"
    attempt.note(verified_at=utc_now(), verification=how)


def _bytes(attempt: Attempt, dump: Dump) -> None:
    for stored in dump.files:
        if attempt.record.format != "plain" and stored.path != GLOBALS:
            continue  # pg_dump wrote it: its hash came from reading the file back
        if stream.digest(attempt.folder / stored.path, stored.path) != stored:
            raise AttemptFailed(
                Reason.CORRUPT,
                f"{stored.path} does not read back as it was written.",
                remedy="Check the disk of the storage and the memory of this host.",
            )


def _contents(attempt: Attempt, binaries: Binaries, dump: Dump) -> None:
    listed = set(_listed_tables(binaries, attempt.folder / dump.name))
    missing = [table.quoted for table in dump.tables if table.oid not in listed]
    if missing:
        some = ", ".join(missing[:3])
        raise AttemptFailed(
            Reason.INCOMPLETE,
            f"The dump lacks the rows of {len(missing)} of {len(dump.tables)} tables: {some}.",
            remedy="Check the rights of the role.",
        )


def _listed_tables(binaries: Binaries, path: Path) -> Iterator[int]:
    """OIDs of the tables whose rows are in it: lines like ``3312; 0 16390 TABLE DATA public a b``."""
    argv = [binaries.path("pg_restore"), "--list", str(path)]
    try:
        listed = tools.listing("pg_restore", argv, seconds=_TIMEOUT)
    except AttemptFailed as error:
        if error.reason is not Reason.TOOL:
            raise
        raise AttemptFailed(Reason.CORRUPT, f"The dump cannot be read: {error.problem}") from error
    for line in listed.splitlines():
        parts = line.split(maxsplit=5)
        if len(parts) > 4 and parts[3:5] == ["TABLE", "DATA"] and parts[2].isdigit():
            yield int(parts[2])


def _plain(path: Path, tables: int) -> None:
    """pg_dump writes a last line; what lacks it was cut off."""
    copies, tail = 0, b"\n"
    with physical.opened(path) as file:
        while chunk := file.read(stream.CHUNK):
            joined = tail + chunk
            copies += joined.count(b"\nCOPY ")
            tail = joined[-512:]
            copies -= tail.count(b"\nCOPY ")
    copies += tail.count(b"\nCOPY ")
    if b"-- PostgreSQL database dump complete" not in tail:
        raise AttemptFailed(Reason.INCOMPLETE, "The dump ends before pg_dump's last line.")
    if copies < tables:
        raise AttemptFailed(Reason.INCOMPLETE, f"The dump has the rows of {copies} tables of {tables}.")


def whole_server(folder: Path, backup: Backup, binaries: Binaries, *, free: int) -> str:
    """Run pg_verifybackup on a physical backup; returns what was done, or why it was not possible.

    Raises AttemptFailed (corrupt) with pg_verifybackup's words.
    """
    native = binaries.major >= _TAR_SINCE
    needed = backup.source_size_bytes or 0
    if not native and free < needed:
        room = f"{units.format_size(needed)} to unpack it, {units.format_size(free)} free"
        return f"not verified by pg_verifybackup: no room ({room})"
    with _staged(folder, backup, unpacked=not native) as staging:
        options = ["--no-parse-wal"] if native else []
        argv = [binaries.path("pg_verifybackup"), "--quiet", *options, str(staging)]
        try:
            tools.run("pg_verifybackup", argv)
        except AttemptFailed as error:
            raise AttemptFailed(
                Reason.CORRUPT, error.problem, remedy="Make a new backup; check the disk."
            ) from error
    return f"pg_verifybackup {binaries.version}{' (WAL not parsed)' if native else ''}"


@contextmanager
def _staged(folder: Path, backup: Backup, *, unpacked: bool) -> Iterator[Path]:
    """The backup as pg_verifybackup wants it: unpacked, or its own files alone (it minds strangers)."""
    staging = folder.with_name(folder.name + STAGING_SUFFIX)
    remove_tree(staging)
    try:
        with storage_errors(staging):
            staging.mkdir(mode=0o700)
            for stored in backup.files:
                if unpacked and ".tar" in stored.path:
                    _unpack(folder, stored, staging / _destination(stored.path))
                else:
                    (staging / stored.path).hardlink_to(folder / stored.path)
        yield staging
    finally:
        remove_tree(staging)


def _destination(name: str) -> PurePosixPath:
    base = name.partition(".tar")[0]
    if base == "base":
        return PurePosixPath()
    return PurePosixPath("pg_wal") if base == "pg_wal" else PurePosixPath("pg_tblspc", base)


def _unpack(folder: Path, stored: StoredFile, target: Path) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        unpack.tar(folder, stored, target)
    except errors.CatalogError as error:
        raise AttemptFailed(Reason.CORRUPT, error.problem, remedy=error.remedy) from error
