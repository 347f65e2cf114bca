"""Counting the rows in a text of pg_restore while it passes by. Pure.

pg_dump and pg_restore announce the rows of a table in a comment, then send them with COPY, one a line, and
end them with a line of backslash and dot. A line break in a value is escaped, so lines are rows:
https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pgbackstop_runner.formats import sql_script

_ANNOUNCED = b"; Type: TABLE DATA; Schema: "
_FOLLOWED = b"\n--\n\nCOPY "
_COPY = re.compile(rb"(.*?) FROM stdin;\n", re.DOTALL)
_END = b"\n\\.\n"
# Names and columns of one table. What is announced and does not go on like this is no COPY.
_LONGEST_COPY = 4 * 2**20
_PART = r'"(?:[^"]|"")*"|[^".\s(]+'
_NAME = re.compile(rf"({_PART})\.({_PART})")


class Name(NamedTuple):
    """A table, without quotes."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


class Scanner:
    """What the text of rows alone can be written to; ``found`` has the tables whose rows are complete.

    In a whole dump a function's body could look like them: that is read by its statements.
    """

    def __init__(self) -> None:
        self.found: list[tuple[Name, int]] = []
        self._pending = b""
        self._table: Name | None = None
        self._rows = 0

    @property
    def unfinished(self) -> Name | None:
        """The table in whose rows the text ended."""
        return self._table

    def write(self, data: bytes | memoryview) -> int:
        """Take the next piece."""
        self._pending += data
        while self._inside() if self._table is not None else self._outside():
            pass
        return len(data)

    def _outside(self) -> bool:
        """Look for the beginning of rows; whether there is more to look at."""
        announced = self._pending.find(_ANNOUNCED)
        if announced < 0:
            self._pending = self._pending[-len(_ANNOUNCED) :]
            return False
        line_end = self._pending.find(b"\n", announced)
        following = self._pending[line_end : line_end + len(_FOLLOWED)] if line_end >= 0 else b""
        match = _COPY.match(self._pending, line_end + len(_FOLLOWED)) if following == _FOLLOWED else None
        if match is None:
            is_too_long = len(self._pending) - announced > _LONGEST_COPY
            is_hopeless = is_too_long or not _FOLLOWED.startswith(following)
            self._pending = self._pending[announced + len(_ANNOUNCED) if is_hopeless else announced :]
            return is_hopeless
        self._table, self._rows = parse(match[1].decode(errors="replace")), 0
        # So that a table without rows ends like the others.
        self._pending = b"\n" + self._pending[match.end() :]
        return True

    def _inside(self) -> bool:
        """Count lines up to the end of the rows; whether there is more to look at."""
        end = self._pending.find(_END)
        if end < 0:
            seen = max(0, len(self._pending) - len(_END) + 1)
            self._rows += self._pending.count(b"\n", 0, seen)
            self._pending = self._pending[seen:]
            return False
        self._rows += self._pending.count(b"\n", 0, end + 1) - 1
        assert self._table is not None  # noqa: S101 - see write
        self.found.append((self._table, self._rows))
        self._table = None
        self._pending = self._pending[end + len(_END) :]
        return True


def copied(statement: bytes) -> Name | None:
    """The table whose rows follow a statement, if they do."""
    match = sql_script.COPY.match(statement)
    return parse(match[1].decode(errors="replace")) if match else None


def parse(quoted: str) -> Name:
    """Schema and table of ``"my schema".orders`` and what may follow, as PostgreSQL quotes names."""
    match = _NAME.match(quoted)
    if match is None:
        return Name("", quoted)
    schema, table = (_unquoted(part) for part in match.groups())
    return Name(schema, table)


def differences(expected: Mapping[str, int], found: Iterable[tuple[Name, int]]) -> tuple[str, ...]:
    """A few words on each table whose rows are not there as counted; tables nobody expects are fine.

    Names that are not ASCII may come in another encoding than UTF-8: then the count alone must be there.
    """
    spare = Counter(found)
    left: list[tuple[Name, int]] = []
    for quoted, rows in expected.items():
        table = (parse(quoted), rows)
        if spare[table] > 0:
            spare[table] -= 1
        else:
            left.append(table)
    unnamed = Counter(rows for name, rows in spare.elements() if not _is_plain(name))
    problems = []
    for name, rows in left:
        if not _is_plain(name) and unnamed[rows] > 0:
            unnamed[rows] -= 1
        else:
            problems.append(_problem(name, rows, spare))
    return tuple(problems)


def _problem(name: Name, rows: int, spare: Counter[tuple[Name, int]]) -> str:
    others = [found for (each, found), times in spare.items() if each == name and times > 0]
    return f"{name} has {others[0]} of {rows} rows" if others else f"{name} is missing ({rows} rows)"


def _is_plain(name: Name) -> bool:
    return name.schema.isascii() and name.table.isascii()


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
