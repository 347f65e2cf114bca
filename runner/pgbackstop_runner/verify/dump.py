"""A stored dump, read to its last byte and written nowhere; its rows are counted on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pgbackstop_catalog import units
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import copy_rows, dump_files, sql_script, zstd_frames
from pgbackstop_runner.formats.copy_rows import Name, Scanner, differences
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.postgres.client_process import Limits
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import compression, phrases, streams
from pgbackstop_runner.verify import tool_failure

_LAST_LINE = b"-- PostgreSQL database dump complete"
_LAST_LINE_OF_GLOBALS = b"-- PostgreSQL database cluster dump complete"
_TAIL_BYTES = 512
_LINES_AROUND = 2  # the line feed before the first row, and the line after the last one

Rows = Sequence[tuple[Name, int]]


def ends(folder: Path, files: Iterable[StoredFile]) -> str:
    """That no zstd file was cut off. Raises AttemptFailed (corrupt)."""
    names = [each.path for each in files if each.path.endswith(".zst") and not _is_empty_object(each)]
    cut = [name for name in names if not zstd_frames.is_whole(folder / name)]
    if cut:
        raise tool_failure.corrupt(f"{cut[0]} does not end where its last zstd frame ends.")
    return f"{len(names)} zstd files end with their frame"


def _is_empty_object(stored: StoredFile) -> bool:
    """Whether it is a large object without content: of such pg_dump's directory format has an empty file."""
    return stored.size_bytes == 0 and Path(stored.path).name.startswith("blob_")


def scan(path: Path, look: Callable[[bytes], None] | None = None) -> Rows:
    """Decompress a plain dump to its end; ``look`` is shown each statement.

    Read as statements: what stands in a function's body only looks like rows. Raises AttemptFailed (corrupt;
    incomplete), OSError.
    """
    found, tail = list[tuple[Name, int]](), b""
    with compression.opened(path) as file:
        for piece in sql_script.pieces(file):
            if piece.kind == "rows":
                name, count = found[-1]
                found[-1] = name, count + piece.text.count(b"\n")
                continue
            tail = (tail + piece.text[-_TAIL_BYTES:])[-_TAIL_BYTES:]
            if table := copy_rows.copied(piece.code):
                found.append((table, -_LINES_AROUND))
            if look is not None and piece.kind == "statement":
                look(piece.code)
    if _LAST_LINE not in tail:
        raise AttemptFailed(Reason.INCOMPLETE, "The dump ends before pg_dump's last line.")
    return found


def read_text(folder: Path, files: Iterable[StoredFile]) -> Rows:
    """The same of a stored one, which had that line. Raises AttemptFailed (corrupt), OSError."""
    try:
        return scan(folder / name_of(files))
    except AttemptFailed as error:
        raise tool_failure.corrupt(error.problem) from error


def read_archive(folder: Path, files: Iterable[StoredFile], binaries: Binaries, limits: Limits) -> Rows:
    """Decompress every row of an archive. Raises AttemptFailed (corrupt, client, stalled).

    What is before and after the rows is in the list that pg_restore reads first.
    """
    scanner = Scanner()
    path = folder / name_of(files)
    argv = [binaries.path("pg_restore"), "--data-only", "--file=-", str(path)]
    try:
        with client_process.start(
            "pg_restore", argv, limits=limits, pipe_output=True, cell=binaries.reader(path)
        ) as tool:
            streams.widen(tool.stdout)
            streams.pump(tool.stdout, scanner, tool.feed)
            tool.finish()
    except AttemptFailed as error:
        raise tool_failure.of_tool(error) from error
    if scanner.unfinished is not None:
        raise tool_failure.corrupt(f"The dump ends within the rows of {scanner.unfinished}.")
    return scanner.found


def counted(backup: Backup, found: Rows) -> str:
    """Compare the rows with those of the snapshot that was dumped. Raises AttemptFailed (corrupt)."""
    if backup.row_counts is None:
        counts = [rows for _, rows in found]
        return f"{units.format_rows(counts)}; the record has none to compare with"
    wrong = differences(backup.row_counts, found)
    if wrong:
        raise tool_failure.corrupt(f"The dump is not what was counted: {phrases.some(wrong)}.")
    return f"{units.format_rows(backup.row_counts.values())} as counted"


def roles(folder: Path) -> str:
    """That the globals are there to their last line. Raises AttemptFailed (corrupt), OSError."""
    if _LAST_LINE_OF_GLOBALS not in (folder / dump_files.GLOBALS).read_bytes():
        raise tool_failure.corrupt(f"{dump_files.GLOBALS} ends before pg_dumpall's last line.")
    return "to pg_dumpall's last line"


def name_of(files: Iterable[StoredFile]) -> str:
    """The dump's file or folder. Raises AttemptFailed (corrupt) where there is none."""
    names = {each.path.partition("/")[0] for each in files} - {dump_files.GLOBALS}
    if len(names) != 1:
        raise tool_failure.corrupt(f"The record names {len(names)} dumps.")
    return names.pop()
