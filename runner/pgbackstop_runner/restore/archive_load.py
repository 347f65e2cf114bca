"""Filling a database from an archive, by pg_restore and its jobs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import dump_metadata
from pgbackstop_runner.formats.restore_errors import ArchiveErrors, Contents
from pgbackstop_runner.postgres import client_process, session_options
from pgbackstop_runner.postgres.client_process import Tool
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore.dump_source import Source

APPLICATION_NAME = "pgbackstop restore"
_AFTER_DATA = "--section=post-data"
_EVENT_TRIGGER = re.compile(r"\d+; \d+ \d+ (?:(?:COMMENT|SECURITY LABEL) - )?EVENT TRIGGER ")
_SECTIONS = (("--section=pre-data", "--section=data"), (_AFTER_DATA,))


def connection_string(server: Server, database: str) -> str:
    """libpq's conninfo for a session that fills the database; without the password."""
    return session_options.connection_string(server, database, APPLICATION_NAME)


def fill(server: Server, database: str, binaries: Binaries, source: Source) -> None:
    """Restore the archive; entries that could not be are noted in the source. Raises AttemptFailed."""
    lines = dump_metadata.contents(binaries, source.path)
    late = dump_metadata.contents(binaries, source.path, _AFTER_DATA)
    for wanted, sections in _parts(source, lines):
        with contextlib.ExitStack() as stack:
            use = stack.enter_context(dump_metadata.wanted_entries(wanted)) if wanted is not None else None
            argv = [
                binaries.path("pg_restore"),
                *([f"--use-list={use}"] if use else []),
                "--no-password",
                "--verbose",  # else it does not say which entry an error is about
                f"--jobs={source.jobs}",
                *sections,
                *(["--no-tablespaces"] if source.no_tablespaces else []),
                f"--dbname={connection_string(server, database)}",
                str(source.path),
            ]
            reads = [source.path, *([Path(use)] if use else [])]
            heard = ArchiveErrors(contents=Contents.of(lines, late, source.encoding))
            _run(server, binaries, source, argv, reads, heard)


def _parts(source: Source, lines: list[str]) -> Iterator[tuple[list[str] | None, Sequence[str]]]:
    """What is restored one after the other: the entries, None where all are wanted, and the sections of them.

    Event triggers come last: several jobs of pg_restore, and servers before 17, would let one act on a
    materialized view that is filled.
    """
    wanted = source.entries(lines)
    entries = lines if wanted is None else wanted
    triggers = [each for each in entries if _EVENT_TRIGGER.match(each)]
    if triggers:
        wanted = [each for each in entries if not _EVENT_TRIGGER.match(each)]
    for sections in _SECTIONS if source.rows_first else ((),):
        yield wanted, sections
    if triggers:
        yield triggers, ()


def _run(  # noqa: PLR0917 - what pg_restore is given, and who hears it
    server: Server,
    binaries: Binaries,
    source: Source,
    argv: list[str],
    reads: list[Path],
    heard: ArchiveErrors,
) -> None:
    """Ends it at the first error that no restore is worth without, as --exit-on-error would at any."""
    started: list[Tool] = []

    def hear(line: str) -> bool:
        source.hear(line)
        is_worth = heard.hear(line)
        if heard.fatal and started:
            started[0].kill()
        return is_worth

    password = conninfo.password(server)
    with client_process.start(
        "pg_restore", argv, password=password, on_line=hear, cell=binaries.cell(*reads)
    ) as tool:
        started.append(tool)
        if heard.fatal:
            tool.kill()
        try:
            tool.finish()
        except AttemptFailed as error:
            missing = heard.missing()
            if missing is None:
                raise _first(heard, error) from error
            source.missing += missing


def _first(heard: ArchiveErrors, error: AttemptFailed) -> AttemptFailed:
    """What the entry that failed says, and not the jobs that were ended because of it."""
    if not heard.fatal:
        return error
    return client_process.failure("pg_restore", "was ended at the first error", "\n".join(heard.fatal))
