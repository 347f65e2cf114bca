"""A dump's list of contents, before the dump is committed: that it has the rows of every table.

What the stored bytes are is proven afterwards (``verify.run``), when the backup already counts. A plain
dump has no list: it is read to its end. What was hashed on its way to the disk is read back and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.backup import psql_reading as before_dump
from pgbackstop_runner.backup.attempt import Attempt
from pgbackstop_runner.backup.logical import Dump
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import psql_reading
from pgbackstop_runner.formats.dump_files import GLOBALS
from pgbackstop_runner.postgres import client_process, client_programs, tool_output
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import streams
from pgbackstop_runner.verify import dump as dumps

_TIMEOUT = 600
# Of statements that psql would misread: how many are named, and by how many bytes.
_NAMED, _SHOWN = 4, 60


def check(attempt: Attempt, binaries: Binaries, dump: Dump) -> None:
    """Look at the dump. Raises AttemptFailed (incomplete, corrupt)."""
    _bytes(attempt, dump)
    if attempt.record.format == "plain":
        _plain(attempt.folder / dump.name, len(dump.tables))
        how = "read back as hashed on its way, to the end of the dump"
    else:
        wish = attempt.workspace.config.drills.jail
        _contents(attempt, client_programs.confined(binaries, wish), dump)
        how = "pg_restore --list has every table"
    attempt.note(verification=how)


def _bytes(attempt: Attempt, dump: Dump) -> None:
    for stored in dump.files:
        if attempt.record.format != "plain" and stored.path != GLOBALS:
            continue  # pg_dump wrote it: its hash comes from reading the file
        if streams.digest(attempt.folder / stored.path, stored.path) != stored:
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
    limits, cell = client_process.Limits(duration=_TIMEOUT), binaries.reader(path)
    try:
        with client_process.start("pg_restore", argv, limits=limits, pipe_output=True, cell=cell) as tool:
            for line in tool_output.lines(tool):
                parts = line.split(maxsplit=5)
                if len(parts) > 4 and parts[3:5] == [b"TABLE", b"DATA"] and parts[2].isdigit():
                    yield int(parts[2])
            tool.finish()
    except AttemptFailed as error:
        if error.reason is not Reason.TOOL:
            raise
        raise AttemptFailed(Reason.CORRUPT, f"The dump cannot be read: {error.problem}") from error


def _plain(path: Path, tables: int) -> None:
    """pg_dump writes a last line; what lacks it was cut off. What psql would misread it could not restore."""
    misread = list[str]()

    def look(code: bytes) -> None:
        if psql_reading.is_misread(code) and len(misread) < _NAMED:
            misread.append(errors.one_line(code[:_SHOWN].decode(errors="replace")))

    found = len(dumps.scan(path, look))
    if misread:
        raise before_dump.refusal(misread)
    if found < tables:
        raise AttemptFailed(Reason.INCOMPLETE, f"The dump has the rows of {found} tables of {tables}.")
