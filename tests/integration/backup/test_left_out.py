"""Tables and rows that a plan leaves out: of the dump, and of nothing that is said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.backup import Backup
from tests.integration.drill.conftest import drills
from tests.integration.restore import places
from tests.integration.restore.places import FORMATS
from tests.support import databases
from tests.support.databases import Database
from tests.support.servers import Server

SCHEMA = """
    create schema audit;
    create table kept (id int primary key);
    insert into kept select generate_series(1, 7);
    create table log_a (id serial primary key, kept int references kept);
    insert into log_a (kept) values (1), (2);
    create index on log_a (kept);
    create table "log_B.x" (id int generated always as identity, words text);
    insert into "log_B.x" (words) values ('x');
    create table parts (at int) partition by range (at);
    create table parts_1 partition of parts for values from (0) to (10);
    create table other_name partition of parts for values from (10) to (20);
    insert into parts values (1), (11);
    create table viewed (id int);
    insert into viewed values (1);
    create view seen as select id from viewed;
    create table typed (id int);
    create function of_typed(typed) returns int language sql as 'select 1';
    create table referred (id int primary key);
    insert into referred values (1);
    create table refers (id int references referred);
    create table session (id int, words text);
    insert into session select n, 'x' from generate_series(1, 5) n;
    create table audit.session (id int);
    create table audit."Größe" (id int);
    insert into audit."Größe" values (1);
    create view audit.both as select * from audit.session;
"""
PLAN = {
    "exclude_tables": [
        "public.log_*",
        'public."log_B.x"',
        "public.parts",
        "*.viewed",
        "public.typed",
        "public.referred",
        'audit."Größe"',
        "audit.*",
    ],
    "schema_only_tables": ["public.session", "nowhere.nothing"],
}
EXCLUDED = {
    'audit."Größe"',
    'audit."both"',
    "audit.session",
    "public.log_a",
    "public.log_a_id_seq",
    'public."log_B.x"',
    'public."log_B.x_id_seq"',
    "public.parts",
    "public.parts_1",
    "public.other_name",
}
WITHOUT_ROWS = {"public.viewed", "public.typed", "public.referred", "public.session"}


@pytest.fixture
def database(encoding: str, edge_server: Server) -> Iterator[Database]:
    made = databases.fresh(edge_server, f"encoding '{encoding}' locale 'C' template template0")
    with made.connect() as connection:
        connection.execute("set client_encoding to utf8")
        connection.execute(SCHEMA.encode())
    yield made
    made.drop()


# The names of tables in that encoding are the server's business and pg_dump's, whatever the format.
@pytest.mark.parametrize(
    ("encoding", "form"), [*(("UTF8", form) for form in FORMATS), ("LATIN1", FORMATS[0])]
)
def test_the_dump_lacks_what_the_plan_leaves_out_and_everything_says_so(
    database: Database, tmp_path: Path, form: str
) -> None:
    site = places.site(tmp_path, database.server, database.name, format=form, **PLAN)
    made = places.backup(site)
    assert set(made.excluded_tables) == EXCLUDED
    assert set(made.schema_only_tables) == WITHOUT_ROWS
    assert made.row_counts == {"public.kept": 7, "public.refers": 0}
    assert made.vanished == ()
    assert not made.warnings
    said = (site.path(made) / "RESTORE.md").read_text()
    assert "no rows of" in said
    assert "public.session" in said

    restored = places.restore(site, into="again")
    assert restored.missing_entries == ()
    (check,) = (each for each in restored.checks if each.name == "left out")
    assert "not in the backup" in check.detail
    again = Database(server=database.server, name="again")
    try:
        there = {name for (name,) in again.execute(RELATIONS)}
        assert there == {"public.kept", "public.refers", "public.seen", *WITHOUT_ROWS}
        assert again.execute("select count(*) from kept") == [(7,)]
        assert again.execute("select count(*) from session") == [(0,)]
    finally:
        again.drop()


RELATIONS = """
    select quote_ident(n.nspname) || '.' || quote_ident(relname) from pg_class c
    join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p', 'v', 'S') and nspname !~ '^pg_' and nspname <> 'information_schema'"""


def test_lists_checks_and_proofs_tell(pg17: Server, tmp_path: Path) -> None:
    database = databases.fresh(pg17)
    try:
        database.execute(SCHEMA)
        site = places.site(tmp_path, pg17, database.name, **PLAN)
        (report,) = json.loads(site.run("check", "--json").stdout)
        told = " ".join(each["detail"] for each in report["checks"] if each["name"] == "tables")
        assert "public.viewed comes without rows instead of not at all, because" in told
        assert "nowhere.nothing: is it misspelt?" in told
        assert "refers_id_fkey of public.refers" in told

        made = places.backup(site)
        assert "10 tables left out, 4 tables without rows" in site.run("list").stdout
        assert 'audit."Größe"' in site.run("show", made.id).stdout
        assert site.run("verify", made.id).returncode == 0
        done = site.run("drill", "shop")
        assert done.returncode == 0, done.stderr
        (check,) = (each for each in drills(site)[0].checks if each.name == "left out")
        assert "without rows: public.referred" in check.detail

        asked = site.run("restore", "--database", database.name, "--table", "public.session")
        assert asked.returncode != 0
        assert "does not have the rows of public.session: its plan leaves them out" in asked.stderr
    finally:
        database.drop()


def test_rows_that_a_plan_leaves_out_from_now_on_have_not_vanished(pg17: Server, tmp_path: Path) -> None:
    database = databases.fresh(pg17)
    try:
        database.execute("create table log as select generate_series(1, 5000) n")
        site = places.site(tmp_path, pg17, database.name)
        before = counted(places.backup(site))
        site.plans = {"shop": {**site.plans["shop"], "schema_only_tables": ["public.log"]}}
        site.write()
        during = counted(places.backup(site))
        site.plans = {"shop": {**site.plans["shop"], "schema_only_tables": []}}
        site.write()
        database.execute("truncate log")
        after = places.backup(site)
        assert (before, during) == ({"public.log": 5000}, {})
        assert [each.table for each in after.vanished] == ["public.log"]
    finally:
        database.drop()


def counted(backup: Backup) -> dict[str, int] | None:
    assert backup.vanished == ()
    return backup.row_counts
