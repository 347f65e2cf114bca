"""Names that make psql take the rows of a plain dump for commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.backup import psql_reading
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database

HARMLESS = """
    create function harmless(begin int) returns int language plpgsql as $$ begin return begin; end $$;
    create function quoted() returns int set search_path to 'begin' language sql as 'select 1';
    create function atomic(n int) returns int begin atomic select case when n > 1 then 2 end; end;
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


def site(database: Database, folder: Path, kind: str) -> Site:
    plans = {"daily": backups.plan(databases=[database.name], format=kind)}
    return Site(folder=folder / kind, server=database.server, plans=plans)


@pytest.mark.parametrize(
    "trap",
    [
        "create function begin() returns int language sql as 'select 1'",
        "create schema begin; create procedure begin.tidy() language sql as 'select 1'",
        "create type begin as (); create function f() returns begin language sql as 'select null::begin'",
        "create function atomic() returns int language sql begin atomic; select 1 as begin; end",
    ],
)
def test_a_plain_backup_that_psql_would_misread_fails_and_others_do_not(
    database: Database, folder: Path, trap: str
) -> None:
    database.execute(HARMLESS)
    assert site(database, folder, "plain").make("daily")[0].status is Status.SUCCEEDED
    database.execute(trap)
    (made,) = site(database, folder, "plain").make("daily")
    assert (made.status, made.reason) == (Status.FAILED, Reason.CONFIGURATION)
    assert "Set format: custom" in made.message
    custom = site(database, folder, "custom")
    assert custom.make("daily")[0].status is Status.SUCCEEDED
    assert custom.run("drill", "daily").returncode == 0


def test_what_psql_counts() -> None:
    assert psql_reading.is_misread("CREATE OR REPLACE FUNCTION a.begin()\n RETURNS integer\nAS $f$x$f$")
    assert not psql_reading.is_misread('CREATE OR REPLACE FUNCTION a."begin"()\n AS $f$ begin $f$')
    assert not psql_reading.is_misread("CREATE FUNCTION a.b(begin integer DEFAULT f(1))\nBEGIN ATOMIC\nEND")
