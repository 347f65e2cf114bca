"""Whatever a database is called and holds, a restore gives back every row and setting of it."""

import tempfile
from dataclasses import dataclass, replace
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
    "awkward values": """create table {t} (id int, v text, a numeric default 'NaN',
        b float8 default '-infinity', c date default 'infinity', d timestamptz default '-infinity',
        e int4range default 'empty',
        f nummultirange default '{{[1,2),[5,)}}', g text[] default array['a,b', '"', '{{}}', null, ''],
        h int[] default '[2:3]={{1,2}}', i bytea default '\\x00ff5c27', j interval default '-1 year 3 days',
        k jsonb default '{{"it''s": [1e400, "\\\\"]}}', l json default '{{"a":1, "a":2}}',
        m bit varying default b'', n float4 default 1e-45, o numeric default 1e-300,
        p time with time zone default '24:00+15:59');
        insert into {t} default values""",
    "enum and domain": """create type {p} as enum ('a b', 'it''s', ''); create domain {q} as text[]
        check (array_position(value, '') is null) default '{{x}}';
        create table {t} (id int, v text, e {p}[] default array['a b', '']::{p}[],
                          d {q} not null default '{{y}}');
        insert into {t} default values""",
    "composite": """create type {p} as (a int, b text[]); create type {q} as (c {p}, d {p}[]);
        create table {t} (v text, c {q} default
            row(row(1, array['x"', null]), array[row(null, '{{}}')::{p}])::{q});
        insert into {t} default values""",
    "views": """create table {t} (id int, v text);
        create view {p} with (security_barrier) as select id, v from {t};
        create materialized view {q} as select v, count(*) from {t} group by v;
        create unique index on {q} (v)""",
    "rights and comments": """create table {t} (id int, v text); grant select on {t} to public;
        grant update (v), insert on {t} to pg_read_all_data with grant option;
        revoke select on {t} from public;
        alter default privileges grant select on tables to public;
        comment on table {t} is 'it''s \\ "quoted"; --'; comment on column {t}.v is E'two\nlines'""",
    "trigger": """create table {t} (id int, v text); create function {p}() returns trigger language plpgsql
        as $body$ begin return new; /* ; $$ */ end $body$;
        create trigger t before insert on {t} for each row execute function {p}();
        alter table {t} enable always trigger t""",
    "sequence": """create table {t} (id int, v text);
        create sequence {p} increment -3 minvalue -100 cycle;
        select nextval({s}), nextval({s})""",
    "exclusion": """create table {t} (id int, v text, r int4range default 'empty',
                          exclude using gist (r with &&));
        insert into {t} (r) values ('[1,5)'), ('[5,)')""",
    "hstore": """create extension if not exists hstore with schema public;
        create table {t} (id int, v text, h public.hstore default 'a=>NULL, "b c"=>"=>"');
        insert into {t} default values""",
    "range partitions": """create table {t} (v text, at date default 'infinity') partition by range (at);
        create table {p} partition of {t} for values from ('2024-01-01') to (maxvalue);
        insert into {t} (at) values ('2024-02-29'); alter table {t} add check (at > '-infinity')""",
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
        features=st.lists(st.sampled_from(sorted(FEATURES)), min_size=4, max_size=8, unique=True).map(tuple),
        values=st.lists(_TEXTS, max_size=5).map(tuple),
        kind=st.sampled_from(["custom", "directory", "plain"]),
    )


def _holdable(case: Case) -> Case:
    """What an encoding cannot hold is left out of its database; names of databases belong to all of them."""
    if case.encoding == "UTF8":
        return case
    codec = "latin-1" if case.encoding == "LATIN1" else "ascii"

    def kept(text: str, codec: str = codec) -> str:
        return text.encode(codec, "ignore").decode(codec) or "x"

    return replace(
        case,
        database=kept(case.database, "ascii"),
        schema="s" + kept(case.schema),
        table=kept(case.table),
        other=kept(case.other),
        values=tuple(map(kept, case.values)),
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
            names: dict[str, sql.Composable] = {
                "t": sql.Identifier(case.schema, f"{number}{case.table}"),
                "p": sql.Identifier(case.schema, f"{number}p{case.other}"),
                "q": sql.Identifier(case.schema, f"{number}q{case.other}"),
            }
            if feature == "not valid":
                names["p"] = sql.Identifier(f"{number}p{case.other}")  # a constraint has no schema
            if feature == "sequence":
                names["s"] = sql.Literal(names["p"].as_string(connection))
            connection.execute(sql.SQL(FEATURES[feature]).format(**names))
            for value in dict.fromkeys(case.values):
                connection.execute(
                    sql.SQL("insert into {} (v) values ({})").format(names["t"], sql.Literal(value))
                )
            if case.encoding == "SQL_ASCII":  # which is no encoding at all: any byte is a letter
                connection.execute(
                    sql.SQL("insert into {} (v) values (E'\\xff\\x80\\xfe')").format(names["t"])
                )
            if feature == "views":
                connection.execute(sql.SQL("refresh materialized view {q}").format(**names))


def test_every_feature_is_one_that_postgresql_takes(pg17: Server) -> None:
    """All of them in one database, so that a mistake here is not found by chance."""
    case = Case(
        database="db of features", encoding="UTF8", schema="s", table="t", other="o",
        features=tuple(sorted(FEATURES)), values=("", "x"), kind="custom",
    )  # fmt: skip
    _comes_back(pg17, case)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute on an idle machine
@settings(
    max_examples=14,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=_cases().map(_holdable))
def test_every_row_comes_back(pg17: Server, case: Case) -> None:
    _comes_back(pg17, case)


def _comes_back(server: Server, case: Case) -> None:
    try:
        _fill(server, case)
        before = image.of(server, case.database)
        with tempfile.TemporaryDirectory() as folder:
            place = places.site(Path(folder), server, case.database, format=case.kind)
            places.backup(place)
            with server.connect() as connection:
                connection.execute(
                    sql.SQL("alter database {} set work_mem = '9MB'").format(sql.Identifier(case.database))
                )
            done = places.restore(place)
        assert image.of(server, case.database) == before
        assert all(check.ok for check in done.checks)
    finally:
        for name in places.databases(server):
            if name.startswith("db "):
                with server.connect() as connection:
                    connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
