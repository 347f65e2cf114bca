"""What DROP … CASCADE takes with a table although it is none of its parts: views, functions, policies. Pure.

pg_dump writes every name with its schema there, so that what a statement depends on can be read in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgbackstop_runner.formats import sql_script

_IDENTIFIER = sql_script.IDENTIFIER
QUALIFIED = _IDENTIFIER + rb"\." + _IDENTIFIER
_RELATION = re.compile(rb"CREATE (?:OR REPLACE )?(MATERIALIZED VIEW|VIEW) (" + QUALIFIED + rb")")
_ROUTINE = re.compile(rb"CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE) (" + QUALIFIED + rb")\(")
_OF_TABLE = re.compile(
    rb"(?:CREATE (POLICY) (" + _IDENTIFIER + rb") ON"
    rb"|ALTER (PUBLICATION) (" + _IDENTIFIER + rb") ADD TABLE ONLY) (" + QUALIFIED + rb")"
)
# pg_dump fills a materialized view by a statement of its own.
_UNFILLED = re.compile(rb"\s+WITH NO DATA;\Z")
_LITERAL = re.compile(rb"""("(?:[^"]|"")*")|'(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$""", re.DOTALL)
_NAME = re.compile(QUALIFIED)


@dataclass(frozen=True, kw_only=True)
class Dependent:
    """``code`` makes it. Names are as the dump writes them; ``table``: whose policy or member it is."""

    kind: str
    name: bytes
    table: bytes = b""
    code: bytes


def of(code: bytes) -> Dependent | None:
    """What a statement makes, if that may depend on tables."""
    if found := _RELATION.match(code) or _ROUTINE.match(code):
        whole = _UNFILLED.sub(b";", code)
        return Dependent(kind=found[1].decode().lower(), name=found[2], code=whole)
    if found := _OF_TABLE.match(code):
        kind, name = (found[1], found[2]) if found[1] else (found[3], found[4])
        return Dependent(kind=kind.decode().lower(), name=name, table=found[5], code=code)
    return None


def mentioned(code: bytes) -> Iterator[bytes]:
    """The names with a schema in a statement, without those in literals: such a body depends on nothing."""
    for found in _NAME.finditer(_LITERAL.sub(lambda each: each[1] or b"''", code)):
        yield found[0]
