"""What DROP … CASCADE takes with a table although it is none of its parts: views, children, columns. Pure.

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
_ROUTINE = re.compile(rb"CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE|AGGREGATE) (" + QUALIFIED + rb")\(")
_OF_TABLE = re.compile(
    rb"(?:CREATE (POLICY) (" + _IDENTIFIER + rb") ON"
    rb"|CREATE (RULE) (" + _IDENTIFIER + rb") AS\s+ON \w+ TO"
    rb"|ALTER (PUBLICATION) (" + _IDENTIFIER + rb") ADD TABLE ONLY) (" + QUALIFIED + rb")"
)
_WITH_COLUMNS = re.compile(rb"CREATE (?:UNLOGGED |FOREIGN )?(TABLE|TYPE) (" + QUALIFIED + rb") (?:AS )?\(\n")
_INHERITS = re.compile(rb"\n\)\nINHERITS \((.+)\)")
# pg_dump writes each column on a line of its own.
_COLUMN = re.compile(
    rb"^\t?(?:    )?(" + _IDENTIFIER + rb") (" + QUALIFIED + rb")((?:\[\])*)(?=[ ,\n])", re.MULTILINE
)
_DEFAULT = re.compile(
    rb"^    (" + _IDENTIFIER + rb") [^\n]*? DEFAULT (nextval\('((?:[^']|'')+)'::regclass\))", re.MULTILINE
)
_SET_DEFAULT = re.compile(
    rb"ALTER TABLE ONLY (" + QUALIFIED + rb") ALTER COLUMN (" + _IDENTIFIER + rb") SET DEFAULT "
    rb"nextval\('((?:[^']|'')+)'::regclass\)"
)
_OWNED = re.compile(rb"ALTER SEQUENCE (" + QUALIFIED + rb") OWNED BY (" + QUALIFIED + rb")\.")
_IDENTITY = re.compile(
    rb"ALTER TABLE ("
    + QUALIFIED
    + rb") ALTER COLUMN "
    + _IDENTIFIER
    + rb" ADD GENERATED [A-Z ]+ AS IDENTITY \("
    rb"\s+SEQUENCE NAME (" + QUALIFIED + rb")"
)
# What is said of a view or function after it was made, and goes with it.
_ABOUT = re.compile(
    rb"(?:CREATE (?:UNIQUE )?INDEX "
    + _IDENTIFIER
    + rb" ON (?:ONLY )?|CREATE POLICY "
    + _IDENTIFIER
    + rb" ON "
    rb"|CREATE TRIGGER " + _IDENTIFIER + rb" [^\n]*? ON "
    rb"|CREATE RULE " + _IDENTIFIER + rb" AS\s+ON \w+ TO "
    rb"|(?:GRANT|REVOKE) [^\n]*? ON (?:TABLE |FUNCTION |PROCEDURE )"
    rb"|ALTER (?:MATERIALIZED VIEW|VIEW|TABLE|FUNCTION|PROCEDURE|AGGREGATE) (?:ONLY )?"
    rb"|COMMENT ON (?:MATERIALIZED VIEW|VIEW|TABLE|FUNCTION|PROCEDURE|AGGREGATE) )(" + QUALIFIED + rb")"
)
# pg_dump fills a materialized view by a statement of its own.
_UNFILLED = re.compile(rb"\s+WITH NO DATA;\Z")
_LITERAL = re.compile(rb"""("(?:[^"]|"")*")|'(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$""", re.DOTALL)
_NAME = re.compile(QUALIFIED)


Key = tuple[str, bytes, bytes, bytes]


@dataclass(frozen=True, kw_only=True)
class Dependent:
    """``code`` makes it. Names are as the dump writes them; ``needs`` are those without which it is not.

    ``table``: whose policy, rule, column, default or member it is. ``signature``: of a routine, and the rest.
    """

    kind: str
    name: bytes
    table: bytes = b""
    signature: bytes = b""
    needs: tuple[bytes, ...]
    code: bytes

    @property
    def key(self) -> Key:
        """What tells it from others: of views in a circle there are two statements."""
        return self.kind, self.name, self.table, self.signature


def of(code: bytes) -> Iterator[Dependent]:
    """What a statement makes that may depend on tables."""
    if found := _RELATION.match(code):
        whole, needs = _UNFILLED.sub(b";", code), _mentioned(code, but=found[2])
        yield Dependent(kind=found[1].decode().lower(), name=found[2], code=whole, needs=needs)
    elif found := _ROUTINE.match(code):
        yield Dependent(
            kind=found[1].decode().lower(),
            name=found[2],
            signature=code[found.end() - 1 :],
            code=code,
            needs=_mentioned(code, but=found[2]),
        )
    elif found := _OF_TABLE.match(code):
        *_, table = found.groups()
        kind, name = (each for each in found.groups()[:-1] if each is not None)
        needs = (table,) if kind == b"PUBLICATION" else _mentioned(code, but=table)
        yield Dependent(kind=kind.decode().lower(), name=name, table=table, code=code, needs=needs)
    elif found := _SET_DEFAULT.match(code):
        needs = (found[3].replace(b"''", b"'"),)
        yield Dependent(kind="default", name=found[2], table=found[1], code=code, needs=needs)
    elif found := _WITH_COLUMNS.match(code):
        yield from _of_columns(code, found[1], found[2])


def _of_columns(code: bytes, kind: bytes, name: bytes) -> Iterator[Dependent]:
    """A child of other tables, columns that hold rows of a table, and those that its sequence numbers."""
    if parents := _INHERITS.search(code):
        yield Dependent(kind="table", name=name, code=code, needs=tuple(_NAME.findall(parents[1])))
    add = b"ADD ATTRIBUTE" if kind == b"TYPE" else b"ADD COLUMN"
    for column, of_type, array in _COLUMN.findall(code):
        words = b" ".join((b"ALTER", kind, name, add, column, of_type + array)) + b";"
        yield Dependent(kind="column", name=column, table=name, code=words, needs=(of_type,))
    for column, expression, sequence in _DEFAULT.findall(code):
        words = (
            b" ".join((b"ALTER TABLE ONLY", name, b"ALTER COLUMN", column, b"SET DEFAULT", expression)) + b";"
        )
        needs = (sequence.replace(b"''", b"'"),)
        yield Dependent(kind="default", name=column, table=name, code=words, needs=needs)


def owned_sequence(code: bytes) -> tuple[bytes, bytes] | None:
    """The sequence that goes with a table, and that table, where a statement ties the two."""
    if found := _OWNED.match(code):
        return found[1], found[2]
    found = _IDENTITY.match(code)
    return (found[2], found[1]) if found else None


def subject(code: bytes) -> bytes:
    """What a statement says something more about, by its name; nothing of others."""
    found = _ABOUT.match(code)
    return found[1] if found else b""


def _mentioned(code: bytes, *, but: bytes) -> tuple[bytes, ...]:
    """The names with a schema in a statement, without those in literals: such a body depends on nothing."""
    names = _NAME.findall(_LITERAL.sub(lambda each: each[1] or b"''", code))
    return tuple(name for name in dict.fromkeys(names) if name != but)
