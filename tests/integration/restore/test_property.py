"""Whatever a database is called and holds, a restore gives back every row and setting of it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.integration.restore import image, places
from tests.support.servers import Server

# PostgreSQL takes any letter but NUL, and pg_dump refuses line ends in a database's name.
_LETTERS = st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=("Cs", "Cc"))
_NAMES = st.one_of(
    st.sampled_from(
        ["select", "a b", 'q"uote', "it's", "back\\slash", "per%cent", "-dash", "$x$", "ünï", "a;b", "t.u"]
    ),
    st.text(_LETTERS, min_size=1, max_size=12),
)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
_ENCODINGS = st.sampled_from(["UTF8", "LATIN1", "SQL_ASCII"])

FEATURES = {
    "identity": "create table {t} (id bigint generated always as identity (start 7 increment 3), v text)",
    "serial": "create table {t} (id serial primary key, v text unique)",
    "generated": "create table {t} (id int, v text, w text generated always as (v || '!') stored)",
    "partitions": """create table {t} (id int, v text) partition by list (v);
        create table {p} partition of {t} default; create index on {t} (v, id)""",
    "row security": """create table {t} (id int, v text); alter table {t} enable row level security;
        alter table {t} force row level security; create policy none_of_them on {t} using (false)""",
    "types": """create type {p} as (a int, b text[]); create table {t} (id int, v text, c {p}, d numrange,
        e jsonb, f bytea, g interval, h "char", i point, j tsvector, k uuid, l bit(3), m inet)""",
    "not valid": "create table {t} (id int, v text); insert into {t} values (-1, 'old');"
    "alter table {t} add constraint {p} check (id > 0) not valid",
    "large objects": "create table {t} (id int, v text); select lo_from_bytea(0, '\\x00ff5c')",
    "inherited": "create table {p} (id int); create table {t} (v text) inherits ({p})",
    "unlogged": "create unlogged table {t} (id int, v text)",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    database: str
    encoding: str
    schema: str
    table: str
    other: str
    features: tuple[str, ...]
    values: tuple[str, ...]
    kind: str


def _cases() -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        database=_NAMES.map(lambda name: f"db {name}"[:30]),
        encoding=_ENCODINGS,
        schema=_NAMES.filter(lambda name: not name.startswith("pg_")),
        table=_NAMES,
        other=_NAMES,
        features=st.lists(st.sampled_from(sorted(FEATURES)), min_size=2, max_size=4, unique=True).map(tuple),
        values=st.lists(_TEXTS, max_size=5).map(tuple),
        kind=st.sampled_from(["custom", "directory", "plain"]),
    )


def _ascii(case: Case) -> Case:
    """What an encoding cannot hold is left out of its database."""
    if case.encoding == "UTF8":
        return case

    def plain(text: str) -> str:
        return text.encode("ascii", "ignore").decode() or "x"

    return Case(
        **{
            **vars(case),
            "database": plain(case.database),
            "schema": "s" + plain(case.schema),
            "table": plain(case.table),
            "other": plain(case.other),
            "values": tuple(map(plain, case.values)),
        }
    )


def _fill(server: Server, case: Case) -> None:
    with server.connect("postgres") as connection:
        connection.execute(
            sql.SQL("create database {} template template0 encoding {} locale 'C'").format(
                sql.Identifier(case.database), sql.Literal(case.encoding)
            )
        )
    target = make_conninfo(server.conninfo(), dbname=case.database)
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("set client_encoding = 'UTF8'" if case.encoding != "SQL_ASCII" else "select 1")
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(case.schema)))
        for number, feature in enumerate(case.features):
            names = {
                "t": sql.Identifier(case.schema, f"{number}{case.table}"),
                "p": sql.Identifier(case.schema, f"{number}p{case.other}"),
            }
            if feature == "not valid":
                names["p"] = sql.Identifier(f"{number}p{case.other}")  # a constraint has no schema
            connection.execute(sql.SQL(FEATURES[feature]).format(**names))
            for value in dict.fromkeys(case.values):
                connection.execute(
                    sql.SQL("insert into {} (v) values ({})").format(names["t"], sql.Literal(value))
                )


@pytest.mark.slow
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=_cases().map(_ascii))
def test_every_row_comes_back(pg17: Server, case: Case) -> None:
    try:
        _fill(pg17, case)
        before = image.of(pg17, case.database)
        with tempfile.TemporaryDirectory() as folder:
            place = places.site(Path(folder), pg17, case.database, format=case.kind)
            places.backup(place)
            with pg17.connect() as connection:
                connection.execute(
                    sql.SQL("alter database {} set work_mem = '9MB'").format(sql.Identifier(case.database))
                )
            done = places.restore(place)
        assert image.of(pg17, case.database) == before
        assert all(check.ok for check in done.checks)
    finally:
        for name in places.databases(pg17):
            if name.startswith("db "):
                with pg17.connect() as connection:
                    connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
