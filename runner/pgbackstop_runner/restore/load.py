"""Filling an empty database from a dump: pg_restore for archives, psql for SQL.

Every exit status counts and the first error ends it; what the tools warn of is kept.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records.backup import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import dump_metadata, names, sql_script
from pgbackstop_runner.formats.sql_script import Statement
from pgbackstop_runner.postgres import client_process, error_messages, session_options
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import compression

APPLICATION_NAME = "pgbackstop restore"
# psql understands \restrict since these: https://www.postgresql.org/about/news/postgresql-176-1610-1514-1419-1322-and-18-beta-3-released-3118/
_RESTRICT_SINCE = {15: 14, 16: 10, 17: 6}
_NO_TRANSACTION_TIMEOUT = 17


@dataclass(frozen=True, kw_only=True)
class Only:
    """Whose rows are wanted, by quoted name. Foreign keys and large objects are then left out.

    ``tables`` are the dump's bytes, whatever its encoding, read like those of pg_restore --list.
    """

    tables: frozenset[str]

    @classmethod
    def of(cls, tables: Iterable[str], encoding: str) -> Only:
        """By names as text, of a dump with that client_encoding."""
        raw = (names.encoded(each, encoding) for each in tables)
        return cls(tables=frozenset(each.decode(errors="surrogateescape") for each in raw))

    def wants_entry(self, line: str) -> bool:
        """Whether a line of pg_restore --list is wanted."""
        if any(dump_metadata.is_entry(line, kind) for kind in _UNWANTED_ENTRIES):
            return False
        rows = dump_metadata.is_entry(line, "TABLE DATA")
        return not rows or any(f" TABLE DATA {_listed(name)} " in line for name in self.tables)

    def wants_statement(self, code: bytes) -> bool:
        """Whether a statement of a plain dump is wanted; COPY stands for its rows."""
        if dump_metadata.is_foreign_key(code) or code.startswith(_UNWANTED_STATEMENTS):
            return False
        match = _COPY.match(code)
        return match is None or match[1].decode(errors="surrogateescape") in self.tables


_UNWANTED_ENTRIES = (
    "FK CONSTRAINT",
    "BLOB",
    "BLOBS",
    "BLOB METADATA",
    "MATERIALIZED VIEW DATA",
    "EVENT TRIGGER",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "SUBSCRIPTION",
)
_UNWANTED_STATEMENTS = (
    b"SELECT pg_catalog.lo",
    b"ALTER LARGE OBJECT",
    b"REFRESH MATERIALIZED VIEW",
    b"CREATE EVENT TRIGGER",
    b"CREATE PUBLICATION",
    b"ALTER PUBLICATION",
    b"CREATE SUBSCRIPTION",
    b"ALTER SUBSCRIPTION",
)
_COPY = re.compile(
    rb"COPY (" + sql_script.IDENTIFIER + rb"\." + sql_script.IDENTIFIER + rb") .*FROM stdin;\Z", re.DOTALL
)


def _listed(quoted: str) -> str:
    """A quoted name as pg_restore --list has it: without quotes, schema and name apart."""
    schema, name = dump_metadata.parts(quoted)
    return f"{schema} {name}"


@dataclass(kw_only=True)
class Source:
    """A dump, and how it is to be read.

    ``rows_first`` keeps constraints away until every row is there. Several jobs of pg_restore wait with a
    constraint for the rows of its own table alone, not of the partitions and children that inherit it: one
    that is NOT VALID would refuse rows that the source has.
    """

    path: Path
    plain: bool
    jobs: int = 2
    no_tablespaces: bool = False
    rows_first: bool = False
    only: Only | None = None
    warnings: list[str] = field(default_factory=list)


def fill(server: Server, database: str, binaries: Binaries, source: Source, server_major: int) -> None:
    """Restore the dump into the database. Raises AttemptFailed with the tool's words and what to do.

    Tools of 17 and later set a parameter that older servers do not know, and only they read what they wrote:
    for those, pg_restore writes a script, from which that is taken out.
    """
    with _explained():
        if source.plain or _is_too_new(binaries, server_major):
            _by_script(server, database, binaries, source, server_major)
        else:
            _by_archive(server, database, binaries, source)


_SECTIONS = (("--section=pre-data", "--section=data"), ("--section=post-data",))


def _by_archive(server: Server, database: str, binaries: Binaries, source: Source) -> None:
    for sections in _SECTIONS if source.rows_first else ((),):
        _by_pg_restore(server, database, binaries, source, sections)


def _by_pg_restore(
    server: Server, database: str, binaries: Binaries, source: Source, sections: tuple[str, ...]
) -> None:
    argv = [
        binaries.path("pg_restore"),
        "--no-password",
        "--exit-on-error",
        f"--jobs={source.jobs}",
        *sections,
        *(["--no-tablespaces"] if source.no_tablespaces else []),
        f"--dbname={connection_string(server, database)}",
        str(source.path),
    ]
    with contextlib.ExitStack() as stack:
        reads = [source.path]
        if source.only is not None:
            lines = [
                line
                for line in dump_metadata.contents(binaries, source.path)
                if source.only.wants_entry(line)
            ]
            reads.append(Path(stack.enter_context(dump_metadata.wanted_entries(lines))))
            argv.insert(1, f"--use-list={reads[-1]}")
        on_line = _collector(source.warnings)
        password = conninfo.password(server)
        tool = stack.enter_context(
            client_process.start(
                "pg_restore", argv, password=password, on_line=on_line, cell=binaries.cell(*reads)
            )
        )
        tool.finish()


def _by_script(server: Server, database: str, binaries: Binaries, source: Source, server_major: int) -> None:
    argv = script_reader(binaries, connection_string(server, database))
    with (
        client_process.start(
            "psql",
            argv,
            password=conninfo.password(server),
            on_line=_collector(source.warnings),
            pipe_input=True,
            cell=binaries.cell(),
        ) as tool,
        _opened(source, binaries) as script_file,
    ):
        feed(tool, filtered(script_file, source, server_major))
        tool.finish()  # first: when psql gave up, pg_restore waits for a reader


def script_reader(binaries: Binaries, connection: str, *more: str) -> list[str]:
    """The psql that reads what ``filtered`` gives. Raises AttemptFailed for one that would obey its commands.

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
        "--set=ON_ERROR_STOP=1",
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
    with client_process.start("pg_restore", argv, pipe_output=True, cell=binaries.cell(source.path)) as tool:
        yield tool.stdout
        tool.finish()


def _is_too_new(binaries: Binaries, server_major: int) -> bool:
    return binaries.major >= _NO_TRANSACTION_TIMEOUT > server_major


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


def filtered(script_file: IO[bytes], source: Source, server_major: int) -> Iterator[bytes]:
    """The script without what leads out of its database, or what the server does not understand.

    All of it is between a \\restrict and an \\unrestrict of ours: in between psql itself obeys nobody.
    """
    key = secrets.token_hex(32).encode()
    yield b"\\restrict " + key + b"\n"
    wanted = True
    for piece in sql_script.pieces(script_file):
        # Rows go with the COPY before them.
        wanted = wanted if piece.kind == "rows" else _is_kept(piece, source, server_major)
        if wanted:
            yield piece.text
    yield b"\n\\unrestrict " + key + b"\n"


def _is_kept(piece: Statement, source: Source, server_major: int) -> bool:
    if piece.kind == "command":
        dump_metadata.check_command(piece)
        return False
    if piece.kind != "statement":
        return True
    if piece.code.startswith(b"SET transaction_timeout") and server_major < _NO_TRANSACTION_TIMEOUT:
        return False
    if source.no_tablespaces and piece.code.startswith(b"SET default_tablespace"):
        return False
    if source.only is not None and not source.only.wants_statement(piece.code):
        return False
    return not dump_metadata.is_about_database(piece.code)


def _knows_restrict(binaries: Binaries) -> bool:
    minor = int((binaries.version.partition(".")[2] or "0").split(".")[0])
    return binaries.major >= 18 or minor >= _RESTRICT_SINCE.get(binaries.major, 0)


def connection_string(server: Server, database: str) -> str:
    """libpq's conninfo for a session that fills the database; without the password."""
    return session_options.connection_string(server, database, APPLICATION_NAME)


def _collector(warnings: list[str]) -> Callable[[str], None]:
    def hear(line: str) -> None:
        if "warning:" in line.lower() and len(warnings) < 100:
            warnings.append(line)

    return hear


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Add what to do to well-known last words."""
    try:
        yield
    except AttemptFailed as error:
        found = error_messages.meaning(error.problem, error_messages.RESTORING)
        if found is None:
            raise
        raise AttemptFailed(found.reason, error.problem, remedy=found.remedy) from error
