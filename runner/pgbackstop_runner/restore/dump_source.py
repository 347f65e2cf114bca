"""A dump that a database is filled from, and whose rows are wanted of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pgbackstop_catalog.records.proof import MissingEntry
from pgbackstop_runner.formats import dump_metadata, names, sql_script
from pgbackstop_runner.restore.without import NOTHING, Without


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
        match = COPY.match(code)
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
COPY = re.compile(
    rb"COPY (" + sql_script.IDENTIFIER + rb"\." + sql_script.IDENTIFIER + rb") .*FROM stdin;\Z", re.DOTALL
)


def _listed(quoted: str) -> str:
    """A quoted name as pg_restore --list has it: without quotes, schema and name apart."""
    schema, name = dump_metadata.parts(quoted)
    return f"{schema} {name}"


@dataclass(kw_only=True)
class Source:
    """A dump, and how it is to be read.

    ``missing`` are the entries that could not be restored, in the order in which they were tried.
    ``rows_first`` keeps constraints away until every row is there. Several jobs of pg_restore wait with a
    constraint for the rows of its own table alone, not of the partitions and children that inherit it: one
    that is NOT VALID would refuse rows that the source has.
    """

    path: Path
    plain: bool
    encoding: str = "UTF8"
    jobs: int = 2
    no_tablespaces: bool = False
    rows_first: bool = False
    only: Only | None = None
    without: Without = NOTHING
    warnings: list[str] = field(default_factory=list)
    missing: list[MissingEntry] = field(default_factory=list)

    def entries(self, lines: list[str]) -> list[str] | None:
        """The lines of pg_restore --list that are wanted; None where all are."""
        if self.only is None and not self.without:
            return None
        only = lines if self.only is None else filter(self.only.wants_entry, lines)
        return [each for each in only if not self.without.has_entry(each)]

    def wants_statement(self, code: bytes) -> bool:
        """Whether a statement of a plain dump is wanted; COPY stands for its rows."""
        is_wanted = self.only is None or self.only.wants_statement(code)
        return is_wanted and not self.without.has_statement(code)

    def hear(self, line: str) -> None:
        """Keep what a tool warns of."""
        if "warning:" in line.lower() and _IGNORED not in line and len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(line)


_MOST_WARNINGS = 100
_IGNORED = "errors ignored on restore"  # told entry by entry
