"""Names that make psql take the rows of a plain dump for commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner import formats
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database

HARMLESS = """
    create function harmless(begin int) returns int language plpgsql as $$ begin return begin; end $$;
    create function quoted() returns int set search_path to 'begin' language sql as 'select 1';
    create function atomic(n int) returns int begin atomic select case when n > 1 then 2 end; end;
    create function long() returns void language plpgsql as $$ begin perform ' begin :"USER" '; end $$;
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


def site(database: Database, folder: Path, kind: str) -> Site:
    plans = {"daily": backups.plan(databases=[database.name], format=kind)}
    return Site(folder=folder / kind, server=database.server, plans=plans)


# By what the refusal names.
SPOILERS = {
    "sliced": """
        create table slices (a int[], "USER" int); create view sliced as select a[1:"USER"] from slices""",
    "public.begin": "create function begin() returns int language sql as 'select 1'",
    "begin.tidy": "create schema begin; create procedure begin.tidy() language sql as 'select 1'",
    "public.typed": """
        create type begin as ();
        create function typed() returns begin language sql as 'select null::begin'""",
    "public.labelled": """
        create function labelled() returns int language sql begin atomic; select 1 as begin; end""",
    "wide.begin": """
        create schema wide; create function wide.begin() returns int language sql window as 'select 1'""",
    "public.aliased": """
        create table begin (x int);
        create function aliased() returns int language sql begin atomic; select x from begin atomic; end""",
}


def test_a_plain_backup_that_psql_would_misread_fails_and_others_do_not(
    database: Database, folder: Path
) -> None:
    database.execute(HARMLESS)
    plain = site(database, folder, "plain")
    assert plain.make("daily")[0].status is Status.SUCCEEDED
    for name, statements in SPOILERS.items():
        database.execute(f"drop schema public cascade; create schema public; {statements}")
        *_, made = plain.make("daily")
        assert (made.status, made.reason) == (Status.FAILED, Reason.CONFIGURATION)
        assert name in made.message
        assert "Set format: custom" in made.message
    custom = site(database, folder, "custom")
    assert custom.make("daily")[0].status is Status.SUCCEEDED
    assert custom.run("drill", "daily").returncode == 0


# Psql would make statements of these rows, and nothing is said of them before they are restored.
TRAPS = """
    create function begin() returns int language sql window as 'select 1';
    create table slices (a int[], "USER" int);
    create view sliced as select a[1:"USER"] from slices;
    create table aaa (x text);
    insert into aaa values ('end; create role intruder superuser; select');
"""


def test_a_plain_backup_of_before_is_restored_as_the_server_would_read_it(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(TRAPS)
    plain = site(database, folder, "plain")
    monkeypatch.setattr(formats.psql_reading, "is_misread", lambda _code: False)
    (made,) = plain.make("daily")
    assert made.status is Status.SUCCEEDED, made.message
    drilled = plain.run("drill", "daily")
    assert drilled.returncode == 0, drilled.stderr


ROWS_IN_A_BODY = """
    create function looks_like_rows() returns text language sql as $f$ select '
--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.orders (id) FROM stdin;
' $f$"""


def test_a_body_that_looks_like_rows_spoils_no_plain_backup(database: Database, folder: Path) -> None:
    database.execute(ROWS_IN_A_BODY)
    plain = site(database, folder, "plain")
    assert plain.make("daily")[0].status is Status.SUCCEEDED
    verified = plain.run("verify", "daily")
    assert verified.returncode == 0, verified.stderr
