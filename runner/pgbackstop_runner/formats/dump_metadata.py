"""What a dump says about its database, in its own SQL: how to make it, and what it needs from the server.

pg_restore is asked for the schema as a script; a plain dump is that script already. Nothing is run here.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import database_statements, dependents, names, role_names, sql_script
from pgbackstop_runner.formats.database_statements import Subject
from pgbackstop_runner.formats.dependents import Dependent, Key
from pgbackstop_runner.formats.dump_files import GLOBALS
from pgbackstop_runner.formats.sql_script import Statement
from pgbackstop_runner.postgres import client_process, tool_output
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import compression, state_folder

_IDENTIFIER = sql_script.IDENTIFIER
_QUALIFIED = dependents.QUALIFIED
_SET_TABLESPACE = re.compile(rb"SET default_tablespace = (.+);\Z", re.DOTALL)
_EXTENSION = re.compile(rb"CREATE EXTENSION IF NOT EXISTS (" + _IDENTIFIER + rb")")
_NOT_VALID = re.compile(
    rb"ALTER (?:TABLE|FOREIGN TABLE|DOMAIN) (?:ONLY )?("
    + _QUALIFIED
    + rb")\s+ADD CONSTRAINT ("
    + _IDENTIFIER
    + rb") .*NOT (?:VALID|ENFORCED);\Z",
    re.DOTALL,
)
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')*)', (-?\d{1,19}), (true|false)\);\Z")
_PARTITION = re.compile(rb"ALTER TABLE ONLY (" + _QUALIFIED + rb") ATTACH PARTITION (" + _QUALIFIED + rb") ")
_FOREIGN_KEY = re.compile(
    rb"ALTER TABLE (?:ONLY )?(" + _QUALIFIED + rb")\s+ADD CONSTRAINT (" + _IDENTIFIER + rb") FOREIGN KEY "
    rb"\(" + _IDENTIFIER + rb"(?:, (?:PERIOD )?" + _IDENTIFIER + rb")*\) REFERENCES (" + _QUALIFIED + rb")"
)
_SUBSCRIPTION = re.compile(rb"CREATE SUBSCRIPTION (" + _IDENTIFIER + rb")")
_ENCODING = re.compile(rb"SET client_encoding = '([A-Za-z0-9_-]+)';\Z")


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key; ``code`` makes it. Tables are as the dump writes them, ``name`` is without quotes."""

    table: str
    name: str
    points_to: str
    code: bytes


@dataclass(kw_only=True)
class DumpMetadata:
    """What the dump's SQL says. Names are as they are called, without quotes.

    ``database`` has the statements about the database itself, by what each is for.
    """

    encoding: str = "UTF8"
    database: dict[Subject, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    roles: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    extensions: set[str] = field(default_factory=set)
    tablespaces: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)
    not_valid: set[tuple[str, str]] = field(default_factory=set)
    sequences: dict[str, tuple[int, bool]] = field(default_factory=dict)
    partitions: dict[str, str] = field(default_factory=dict)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    owned_sequences: dict[str, str] = field(default_factory=dict)
    dependents: dict[Key, Dependent] = field(default_factory=dict)
    _named: dict[bytes, list[Key]] = field(default_factory=lambda: defaultdict(list))

    def note(self, code: bytes) -> None:
        """Learn from one statement."""
        if about := database_statements.subject(code):
            self.database[about].append(code)
            self.tablespaces |= database_statements.tablespaces(code, self.encoding)
        self._note_dependents(code)
        self.roles.update(map(role_names.called, role_names.named(code)))
        self.owners.update(map(role_names.called, role_names.owners(code)))
        for pattern, learn in _LESSONS:
            if match := pattern.match(code):
                learn(self, match)

    @property
    def owner(self) -> str:
        """Whose the database is; "" where the dump does not say it."""
        said = self.database["owner"]
        return database_statements.owner(said[-1], self.encoding) if said else ""

    def _note_dependents(self, code: bytes) -> None:
        if owned := dependents.owned_sequence(code):
            self.owned_sequences[self.text(owned[0])] = self.text(owned[1])
        if len(about := self._named.get(dependents.subject(code), [])) == 1:
            one = self.dependents[about[0]]
            self.dependents[one.key] = replace(one, code=one.code + b"\n" + code)
            return
        for one in dependents.of(code):
            if one.key not in self.dependents and not one.table:
                self._named[one.name].append(one.key)
            self.dependents[one.key] = one  # of views in a circle, the last statement is the whole one

    def text(self, raw: bytes) -> str:
        """The dump's bytes as text."""
        return names.decoded(raw, self.encoding)

    def name(self, identifier: bytes) -> str:
        """An identifier of the dump as it is called."""
        return sql_script.unquoted(identifier, self.encoding)


Learn = Callable[[DumpMetadata, "re.Match[bytes]"], None]


def _set_tablespace(found: DumpMetadata, match: re.Match[bytes]) -> None:
    name = found.name(match[1])
    if name and name != "''":
        found.tablespaces.add(name)


def _setval(found: DumpMetadata, match: re.Match[bytes]) -> None:
    found.sequences[found.text(match[1]).replace("''", "'")] = (int(match[2]), match[3] == b"true")


def _key(found: DumpMetadata, match: re.Match[bytes]) -> ForeignKey:
    return ForeignKey(
        table=found.text(match[1]),
        name=found.name(match[2]),
        points_to=found.text(match[3]),
        code=match.string,
    )


_LESSONS: tuple[tuple[re.Pattern[bytes], Learn], ...] = (
    (_EXTENSION, lambda found, match: found.extensions.add(found.name(match[1]))),
    (_NOT_VALID, lambda found, match: found.not_valid.add((found.text(match[1]), found.name(match[2])))),
    (_SETVAL, _setval),
    (_SET_TABLESPACE, _set_tablespace),
    (_PARTITION, lambda found, match: found.partitions.update({found.text(match[2]): found.text(match[1])})),
    (_FOREIGN_KEY, lambda found, match: found.foreign_keys.append(_key(found, match))),
    (_SUBSCRIPTION, lambda found, match: found.subscriptions.add(found.name(match[1]))),
    (_ENCODING, lambda found, match: setattr(found, "encoding", match[1].decode())),
)


def is_foreign_key(code: bytes) -> bool:
    """Whether a statement adds a foreign key."""
    return _FOREIGN_KEY.match(code) is not None


def dump_name(backup: Backup, files: Iterable[StoredFile]) -> str:
    """The dump itself among the backup's files. Raises NotFound where it has none."""
    for stored in files:
        first, slash, _rest = stored.path.partition("/")
        if stored.path != GLOBALS and (slash or first.endswith(".backup") or ".sql" in first):
            return first
    raise errors.NotFound(f"Backup {backup.id} has no dump among its files.")


def read(binaries: Binaries, dump: Path, *, plain: bool) -> DumpMetadata:
    """Read the dump's own words. Raises AttemptFailed (corrupt) where it cannot be read."""
    found = DumpMetadata()
    reader = compression.opened(dump) if plain else _schema(binaries, dump)
    with reader as source:
        for piece in sql_script.pieces(source):
            if piece.kind == "statement":
                found.note(piece.code)
            elif piece.kind == "command":
                check_command(piece)
    if not plain:
        _note_data(binaries, dump, found)
    if not any(code.startswith(b"CREATE DATABASE") for code in found.database["create"]):
        raise AttemptFailed(Reason.CORRUPT, "The dump does not say how its database is made.")
    return found


def check_command(piece: Statement) -> None:
    """Raises AttemptFailed for a command to psql that pg_dump does not write: it could do anything."""
    if piece.code.split(maxsplit=1)[0] not in {b"\\restrict", b"\\unrestrict", b"\\connect", b"\\encoding"}:
        raise AttemptFailed(
            Reason.CORRUPT,
            f"The dump has a command for psql that pg_dump never writes: {_text(piece.code[:40])!r}.",
            remedy="Do not restore it: somebody changed it. Take another backup.",
        )


@contextlib.contextmanager
def _schema(binaries: Binaries, dump: Path) -> Iterator[IO[bytes]]:
    argv = [binaries.path("pg_restore"), "--create", "--schema-only", "--file=-", str(dump)]
    with client_process.start("pg_restore", argv, pipe_output=True, cell=binaries.reader(dump)) as tool:
        yield tool.stdout
        tool.finish()


def _note_data(binaries: Binaries, dump: Path, found: DumpMetadata) -> None:
    """What is no schema and yet no rows: values of sequences, owners and rights of large objects."""
    lines = [line for line in contents(binaries, dump) if any(is_entry(line, kind) for kind in _SMALL_DATA)]
    if not lines:
        return
    with wanted_entries(lines) as wanted:
        argv = [binaries.path("pg_restore"), f"--use-list={wanted}", "--file=-", str(dump)]
        cell = binaries.reader(dump, Path(wanted))
        with client_process.start("pg_restore", argv, pipe_output=True, cell=cell) as tool:
            for piece in sql_script.pieces(tool.stdout):
                if piece.kind == "statement":
                    found.note(piece.code)
            tool.finish()


@contextlib.contextmanager
def wanted_entries(lines: list[str]) -> Iterator[str]:
    """A file for pg_restore --use-list, gone at the end; after a crash, with the next sweep."""
    path = atomic.temporary_beside(Path(tempfile.gettempdir(), state_folder.SCRATCH_PREFIX + "list"))
    try:
        with os.fdopen(atomic.create(path), "wb") as file:
            file.write("\n".join(lines).encode(errors="surrogateescape"))
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


# BLOB is the large object without its content, BLOB METADATA several of them since 17.
_SMALL_DATA = ("SEQUENCE SET", "BLOB", "BLOB METADATA", "ACL - LARGE OBJECT", "ACL - LARGE OBJECTS")
_PARTS = re.compile(rb"(" + _IDENTIFIER + rb")\.(" + _IDENTIFIER + rb")\Z")


def parts(quoted: str) -> tuple[str, str]:
    """Schema and name of ``"My Schema".orders``. Raises ConfigError for anything else."""
    match = _PARTS.match(quoted.encode(errors="surrogateescape"))
    if match is None:
        raise errors.ConfigError(
            f"{quoted!r} is no table with its schema.",
            remedy='Write it like public.orders, or "My Schema".t.',
        )
    return sql_script.unquoted(match[1]), sql_script.unquoted(match[2])


def is_entry(line: str, kind: str) -> bool:
    """Whether a line of pg_restore --list is of that kind: ``2684; 0 16386 TABLE DATA public a b``."""
    parts = line.split(maxsplit=3)
    return len(parts) == 4 and parts[3].startswith(f"{kind} ")


def contents(binaries: Binaries, dump: Path, *options: str) -> list[str]:
    """The lines of pg_restore --list. Raises AttemptFailed."""
    argv = [binaries.path("pg_restore"), "--list", *options, str(dump)]
    with client_process.start("pg_restore", argv, pipe_output=True, cell=binaries.reader(dump)) as tool:
        text = tool_output.whole(tool).decode(errors="surrogateescape")
        tool.finish()
    return [line for line in text.split("\n") if line and not line.startswith(";")]


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
