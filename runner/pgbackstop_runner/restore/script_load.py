"""Filling a database from a script, by psql: first what must be right, then entry by entry.

psql goes on after an error only with what comes after all data, where no rows follow a statement: it would
take those of a COPY that failed for statements.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.proof import MissingEntry
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import (
    database_statements,
    dump_metadata,
    names,
    psql_reading,
    restore_errors,
    sql_script,
)
from pgbackstop_runner.formats.restore_errors import ScriptErrors
from pgbackstop_runner.formats.sql_script import Statement
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore.archive_load import connection_string
from pgbackstop_runner.restore.dump_source import COPY, Source
from pgbackstop_runner.system import compression

# psql understands \restrict since these: https://www.postgresql.org/about/news/postgresql-176-1610-1514-1419-1322-and-18-beta-3-released-3118/
_RESTRICT_SINCE = {15: 14, 16: 10, 17: 6}
NO_TRANSACTION_TIMEOUT = 17
STRICT = "--set=ON_ERROR_STOP=1"
# A warning has an SQLSTATE too, and is told in the server's language.
_ERRORS_ALONE = b"SET client_min_messages = error;\n"
_VERBOSE = "--set=VERBOSITY=verbose"
_TABLE = re.compile(
    rb"CREATE (?:UNLOGGED )?TABLE (" + sql_script.IDENTIFIER + rb"\." + sql_script.IDENTIFIER + rb") "
)
_EVENT_TRIGGER = re.compile(
    rb"(?:CREATE|ALTER|COMMENT ON|SECURITY LABEL FOR " + sql_script.IDENTIFIER + rb" ON) EVENT TRIGGER "
)
_SETTING = re.compile(rb"SET ([a-z_]+) = |SELECT pg_catalog\.set_config\('([a-z_]+)'")


@dataclass(kw_only=True)
class _Script:
    """The parts of a script. ``configuration`` has the rows of extensions' tables: nothing here makes those.

    ``settings`` are those that the script has made so far, which every further session needs.
    """

    pieces: Iterator[Statement]
    spool: contextlib.ExitStack
    settings: dict[bytes, bytes] = field(default_factory=dict)
    configuration: list[tuple[Statement, IO[bytes]]] = field(default_factory=list)
    _tables: set[bytes] = field(default_factory=set)
    _after_data: list[Statement] = field(default_factory=list)

    def data(self) -> Iterator[bytes]:
        """Everything before the first entry that comes after the data, but for remarks."""
        aside: IO[bytes] | None = None
        for piece in self.pieces:
            if restore_errors.is_after_data(piece):
                self._after_data.append(piece)
                return
            if restore_errors.is_remark(piece):
                self._after_data.append(piece)
                continue
            if piece.kind != "rows":
                aside = self._aside(piece)
                self._learn(piece.code)
            if aside is None:
                yield piece.text
            else:
                aside.write(piece.text)

    def after_data(self, heard: ScriptErrors) -> Iterator[bytes]:
        """The rest; where each statement ends is noted for those who hear its errors."""
        line = 2  # after ours
        for text in (*self.prelude(), _ERRORS_ALONE):
            line += text.count(b"\n")
            yield text
        for piece in _event_triggers_last(itertools.chain(self._after_data, self.pieces)):
            if COPY.match(piece.code):
                raise AttemptFailed(Reason.CORRUPT, "The dump has rows where pg_dump never writes any.")
            line += piece.text.count(b"\n")
            heard.statements[line] = piece
            yield piece.text

    def prelude(self) -> Iterator[bytes]:
        """The settings as they are now."""
        yield from (code + b"\n" for code in self.settings.values())

    def _learn(self, code: bytes) -> None:
        if setting := _SETTING.match(code):
            self.settings[setting[1] or setting[2]] = code
        elif table := _TABLE.match(code):
            self._tables.add(table[1])

    def _aside(self, piece: Statement) -> IO[bytes] | None:
        match = COPY.match(piece.code)
        if match is None or match[1] in self._tables or not restore_errors.is_data(piece):
            return None
        file: IO[bytes] = tempfile.TemporaryFile(prefix="pgbackstop-rows-")  # noqa: SIM115 - the stack closes it
        self.spool.enter_context(file)
        self.configuration.append((piece, file))
        return file


def _event_triggers_last(pieces: Iterable[Statement]) -> Iterator[Statement]:
    """The same statements; none acts on a materialized view that is filled, as before 17 it would."""
    triggers = list[Statement]()
    for piece in pieces:
        if _EVENT_TRIGGER.match(piece.code):
            triggers.append(piece)
        else:
            yield piece
    yield from triggers


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """The psql that fills the database."""

    server: Server
    database: str
    binaries: Binaries
    source: Source

    def read(self, content: Iterable[bytes], *options: str, heard: ScriptErrors | None = None) -> None:
        """Run it to its end. Raises AttemptFailed."""

        def hear(line: str) -> None:
            self.source.hear(line)
            if heard is not None:
                heard.hear(line)

        argv = reader(self.binaries, connection_string(self.server, self.database), *options)
        with client_process.start(
            "psql",
            argv,
            password=conninfo.password(self.server),
            on_line=hear,
            pipe_input=True,
            cell=self.binaries.cell(),
        ) as tool:
            feed(tool, restricted(content))
            tool.finish()


def fill(server: Server, database: str, binaries: Binaries, source: Source, server_major: int) -> None:
    """Run the script; entries that could not be restored are noted in the source. Raises AttemptFailed."""
    psql = _Reader(server=server, database=database, binaries=binaries, source=source)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_opened(source, binaries))
        script = _Script(pieces=filtered(file, source, server_major), spool=stack)
        psql.read(script.data(), STRICT)
        for piece, rows in script.configuration:
            rows.seek(0)
            try:
                psql.read(itertools.chain(script.prelude(), rows), STRICT)
            except AttemptFailed as error:
                if restore_errors.is_of_server(error.problem):
                    raise
                source.missing.append(_missing(piece, error, source.encoding))
        heard = ScriptErrors(encoding=source.encoding)
        psql.read(script.after_data(heard), _VERBOSE, heard=heard)
        missing = heard.missing()
        if missing is None:
            raise client_process.failure("psql", "could not restore", "\n".join(heard.lines[-20:]))
        source.missing += missing


def _missing(piece: Statement, error: AttemptFailed, encoding: str) -> MissingEntry:
    entry = restore_errors.entry_of(piece, encoding)
    return restore_errors.missing(entry, error.problem, names.decoded(piece.code, encoding))


def reader(binaries: Binaries, connection: str, *more: str) -> list[str]:
    """The psql that reads what ``restricted`` gives. Raises AttemptFailed where it would obey commands.

    A lexer of ours that disagrees with psql's would be no defence.
    """
    if not _knows_restrict(binaries):
        raise AttemptFailed(
            Reason.CLIENT,
            f"psql {binaries.version} would obey commands that somebody put into a dump.",
            remedy="Update PostgreSQL's client tools to 18, 17.6, 16.10 or 15.14, or newer.",
        )
    return [
        binaries.path("psql"),
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        *more,
        "--output=/dev/null",
        "--file=-",
        f"--dbname={connection}",
    ]


@contextlib.contextmanager
def _opened(source: Source, binaries: Binaries) -> Iterator[IO[bytes]]:
    """The dump as a script."""
    if source.plain:
        with compression.opened(source.path) as file:
            yield file
        return
    argv = [binaries.path("pg_restore"), "--file=-", str(source.path)]
    with client_process.start(
        "pg_restore", argv, pipe_output=True, cell=binaries.reader(source.path)
    ) as tool:
        yield tool.stdout
        tool.finish()


def feed(reader: client_process.Tool, content: Iterator[bytes]) -> None:
    """Write the script to psql. An error of psql ends it early, and is psql's to tell."""
    with contextlib.suppress(BrokenPipeError):
        try:
            for chunk in content:
                reader.stdin.write(chunk)
        except BrokenPipeError:
            raise
        except BaseException:
            # Before the pipe ends: psql would take that for the end of a good dump, and commit.
            reader.kill()
            raise
        reader.stdin.close()


def restricted(content: Iterable[bytes]) -> Iterator[bytes]:
    """A script between a \\restrict and an \\unrestrict of ours: in between psql itself obeys nobody."""
    key = secrets.token_hex(32).encode()
    yield b"\\restrict " + key + b"\n"
    yield from content
    yield b"\n\\unrestrict " + key + b"\n"


def filtered(script_file: IO[bytes], source: Source, server_major: int) -> Iterator[Statement]:
    """The script without what leads out of its database, or what server or psql do not understand."""
    wanted = True
    for piece in sql_script.pieces(script_file):
        # Rows go with the COPY before them.
        wanted = wanted if piece.kind == "rows" else _is_kept(piece, source, server_major)
        if wanted:
            yield _as_psql_reads(piece)


def _as_psql_reads(piece: Statement) -> Statement:
    """The same for the server, whatever psql knows of functions and variables."""
    if piece.kind != "statement" or (code := psql_reading.as_meant(piece.code)) == piece.code:
        return piece
    return Statement(kind="statement", text=piece.text.removesuffix(piece.code) + code, code=code)


def _is_kept(piece: Statement, source: Source, server_major: int) -> bool:
    if piece.kind == "command":
        dump_metadata.check_command(piece)
        return False
    if piece.kind != "statement":
        return True
    if piece.code.startswith(b"SET transaction_timeout") and server_major < NO_TRANSACTION_TIMEOUT:
        return False
    if source.no_tablespaces and piece.code.startswith(b"SET default_tablespace"):
        return False
    if not source.wants_statement(piece.code):
        return False
    return not database_statements.is_about_database(piece.code)


def _knows_restrict(binaries: Binaries) -> bool:
    minor = int((binaries.version.partition(".")[2] or "0").split(".")[0])
    return binaries.major >= 18 or minor >= _RESTRICT_SINCE.get(binaries.major, 0)
