"""What was so at the source: a proof of its backup does not fail for it, and is not silent about it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.restore import content_checks
from tests.integration.drill.conftest import drills
from tests.integration.restore.places import FORMATS
from tests.support import binaries, databases, places
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.servers import Server

NOT_VALID = """
    create table kept (id int primary key);
    create table old (id int, kept int);
    insert into old values (-1, 7);
    alter table old add constraint "is Above" check (id > 0) not valid;
    alter table old add constraint refers foreign key (kept) references kept not valid;
    create table later () inherits (old);
    create table parts (id int) partition by range (id);
    create table part (id int);
    insert into part values (1);
    alter table part add constraint above check (id > 5) not valid;
    alter table parts attach partition part for values from (0) to (9);
    alter table parts add constraint below check (id < 1) not valid;
    create domain whole as int;
    create table wholes (n whole);
    insert into wholes values (-1);
    alter domain whole add constraint positive check (value > 0) not valid;
    create foreign data wrapper nothing;
    create server away foreign data wrapper nothing;
    create foreign table far (id int) server away;
    alter foreign table far add constraint far_above check (id > 0) not valid;
"""
SINCE_18 = """
    create table named (id int, kept int references kept not enforced,
                        constraint enough check (id > 5) not enforced);
    insert into named values (1, 7);
    alter table named add constraint there not null id not valid;
    create table referring (kept int) partition by range (kept);
    create table referring_1 partition of referring for values from (0) to (9);
    insert into referring values (7);
    alter table referring add constraint goes foreign key (kept) references kept not valid;
"""
# A row that notes, as it is loaded, whether the constraint was there before it.
SLOW = """
    create function is_there() returns bool language plpgsql volatile as $$
        begin
            perform pg_catalog.pg_sleep(1);
            return exists (select from pg_catalog.pg_constraint where conname = 'above');
        end $$;
    create function noted(int) returns bool language plpgsql immutable as
        $$ begin return public.is_there(); end $$;
    create table slow (n int, before bool generated always as (noted(n)) stored);
    insert into slow values (1);
    create table old (id int);
    insert into old values (-1);
    alter table old add constraint above check (id > 0) not valid;
"""
SAME = """select conrelid::regclass::text, conname::text, convalidated from pg_constraint
          where not convalidated and coninhcount = 0 and conparentid = 0 order by 1, 2"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


@pytest.fixture(params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def found(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A shop on each version."""
    made = databases.clone(request.getfixturevalue(f"pg{request.param}"))
    yield made
    made.drop()


def proven(site: Site, *plans: str) -> dict[str, dict[str, str]]:
    """Details of the checks of each plan's drill, which all must be good."""
    said = {}
    for name in plans:
        done = site.run("drill", name)
        assert done.returncode == 0, done.stderr
        said[name] = {check.name: check.detail for check in drills(site)[0].checks}
    return said


def test_constraints_that_were_not_valid(found: Database, folder: Path) -> None:
    found.execute(NOT_VALID)
    if found.server.programs.major >= 18:
        found.execute(SINCE_18)
    plans = {each: plan(databases=[found.name], format=each) for each in FORMATS}
    site = Site(folder=folder, server=found.server, plans=plans)
    for each in FORMATS:
        backup = site.made(each)
        assert ("public.old", "is Above") in backup.source_not_valid
        assert ("public.whole", "positive") in backup.source_not_valid
        assert ("public.far", "far_above") in backup.source_not_valid
        into = f"{found.name}_{each}"
        done = site.run("restore", backup.id, "--into", into)
        assert done.returncode == 0, done.stderr
        assert found.server.execute(SAME, into) == found.execute(SAME)
        found.server.execute(f"drop database {into} with (force)")
    for said in proven(site, *FORMATS).values():
        assert "as at the source" in said["constraints"]


def test_no_constraint_that_is_not_valid_before_the_rows(database: Database, folder: Path) -> None:
    """Several jobs could add it while the rows of a partition, which it refuses, are still to come."""
    database.execute(SLOW)
    site = Site(folder=folder, server=database.server, plans={"it": plan(databases=[database.name])})
    backup = site.made("it")
    into = f"{database.name}_ordered"
    done = site.run("restore", backup.id, "--into", into, "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert database.server.execute("select n, before from slow", into) == [(1, False)]
    assert database.server.execute(SAME, into) == [("old", "above", False)]
    database.server.execute(f"drop database {into} with (force)")
    assert "--jobs=1 " in backup.restore_by_hand[-1]


def test_a_constraint_that_only_the_restored_database_has_not_valid(database: Database) -> None:
    """As if pg_restore had not validated it; the check asks, whatever the record knows."""
    database.execute(
        "create table old (id int); alter table old add constraint above check (id > 0) not valid"
    )
    with database.connect() as connection:
        (found,) = (
            each
            for each in content_checks.check(connection, content_checks.Expected(not_valid=frozenset()))
            if each.name == "constraints"
        )
    assert (found.ok, found.detail) == (False, "not valid: above on public.old")


def test_indexes_that_were_not_valid(found: Database, folder: Path) -> None:
    found.execute("create table twice (n int); insert into twice values (1), (1)")
    for statement in (
        "create unique index concurrently once on twice (n)",  # fails, and stays
        "create table parts (n int) partition by range (n)",
        "create table low partition of parts for values from (0) to (9) partition by range (n)",
        "create table lowest partition of low for values from (0) to (5)",
        "create index parts_n on only parts (n)",
        "create index low_n on only low (n)",
        "alter index parts_n attach partition low_n",
    ):
        if "concurrently" in statement:
            with pytest.raises(Exception, match="could not create unique index"):
                found.execute(statement)
        else:
            found.execute(statement)
    plans = {each: plan(databases=[found.name], format=each) for each in FORMATS}
    site = Site(folder=folder, server=found.server, plans=plans)
    for each in FORMATS:
        backup = site.made(each)
        assert backup.source_invalid_indexes == ("public.once", "public.parts_n")
        assert backup.warnings == ()
    for said in proven(site, *FORMATS).values():
        assert "2 of the source were not: public.once, public.parts_n" in said["indexes"]
        assert "the dump leaves out public.once" in said["indexes"]


def test_a_record_of_before_says_nothing_of_it(database: Database, folder: Path) -> None:
    site = Site(folder=folder, server=database.server, plans={"p": plan(databases=[database.name])})
    written = site.made("p").model_dump()
    del written["source_not_valid"], written["source_invalid_indexes"]
    old = Backup.model_validate(written)
    assert (old.source_not_valid, old.source_invalid_indexes) == ((), ())


EXTENSION = """
    create schema ours;
    create table ours.topology (id serial primary key, name text);
    select pg_catalog.pg_extension_config_dump('ours.topology', '');
    create table ours.built_in (n int);
    insert into ours.built_in values (1), (2);
    create table ours.noted (n int);
"""


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def extended(request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    """A server with an extension that does not think of its sequence, nor of one of its tables."""
    programs = binaries.reachable(request.param)
    copied = folder / "pg"
    shutil.copytree(programs.folder.parent, copied, symlinks=True)
    sharing = next(copied.rglob("plpgsql.control")).parent
    (sharing / "ours.control").write_text("default_version = '1'\nrelocatable = false\n")
    (sharing / "ours--1.sql").write_text(EXTENSION)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    with Server(dataclasses.replace(programs, folder=copied / "bin")) as server:
        yield server


def test_what_an_extension_leaves_out(extended: Server, folder: Path) -> None:
    database = databases.clone(extended)
    for statement in (
        "create extension ours",
        "create extension hstore",
        "insert into ours.topology (name) values ('a'), ('b')",
        "insert into ours.noted values (1), (2), (3)",
        "create table ours.mine (n int)",
        "insert into ours.mine values (7)",
        'create table "Added" (n int)',
        'insert into "Added" select generate_series(1, 40)',
        'alter extension hstore add table "Added"',
    ):
        database.execute(statement)
    site = Site(folder=folder / "site", server=extended, plans={"p": plan(databases=[database.name])})
    checked = site.run("check", "p")
    assert checked.returncode == 0
    assert "in no dump, because an extension owns the tables" in checked.stdout
    backup = site.made("p")
    assert backup.undumped == {"ours.noted": 3, 'public."Added"': 40}
    assert backup.row_counts is not None
    assert backup.row_counts["ours.mine"] == 1
    (warning,) = backup.warnings
    assert 'ours.noted (3), public."Added" (40)' in warning
    said = proven(site, "p")["p"]
    assert "ours.topology_id_seq, of an extension, which no dump sets" in said["sequences"]
