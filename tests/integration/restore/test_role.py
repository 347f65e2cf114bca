"""A restore_role that is no superuser, with exactly the rights that the how-to names."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.restore import places as sites
from tests.support import backups, binaries, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.fixtures import MakeServer

OWNED = """
    alter database {name} owner to shop_owner;
    grant all on schema public to shop_owner;
    set role shop_owner;
    create extension hstore;
    create schema sales;
    create table sales.orders (id int generated always as identity primary key, tags hstore);
    insert into sales.orders (tags) select 'a=>1' from generate_series(1, 20);
    create table sales.lines (n int primary key, "order" int references sales.orders);
    insert into sales.lines select n, n from generate_series(1, 20) n;
    create view sales.all_lines as select * from sales.lines;
    create function sales.touched() returns trigger language plpgsql as 'begin return new; end';
    create trigger touched before insert on sales.lines for each row execute function sales.touched();
    alter table sales.lines enable row level security;
    create policy everyone on sales.lines using (true);
    grant select on sales.orders to shop_reader;
"""
CONTENT = (
    """select o::text, l::text from sales.orders o join sales.lines l on l."order" = o.id order by 1, 2"""
)
PASSWORD = "of the visitor"
RESTORER = {"user": "restorer"}
RIGHTS = ("alter role restorer createdb", "grant pg_signal_backend, shop_owner to restorer")


@pytest.fixture(params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def shop(request: pytest.FixtureRequest, make_server: MakeServer) -> Database:
    """A database of "shop_owner", and the role "restorer", which acts for that."""
    server = make_server(request.param)
    for name in ("shop_owner", "shop_reader"):
        server.execute(f"create role {name}")
    server.execute(f"create role restorer login password '{server.password}'")
    for statement in RIGHTS:
        server.execute(statement)
    server.execute(f"create role visitor login password '{PASSWORD}'")
    server.execute("create database shop")
    database = Database(server=server, name="shop")
    with database.connect() as connection:
        connection.execute(OWNED.format(name="shop").encode())
    return database


@pytest.fixture
def site(shop: Database) -> Iterator[Site]:
    folder = places.make()
    restorer = {**RESTORER, "password_file": str(shop.server.password_file)}
    yield Site(
        folder=folder / "site",
        server=shop.server,
        plans={each: backups.plan(databases=["shop"], format=each) for each in sites.FORMATS},
        server_settings={"restore_role": restorer},
    )
    places.remove(folder)


def content(database: Database) -> list[tuple[object, ...]]:
    return database.execute(CONTENT)


def test_everything_that_the_how_to_promises(site: Site, shop: Database) -> None:
    before = content(shop)
    for each in sites.FORMATS:
        backup = site.made(each)
        shop.execute("delete from sales.lines where n = 3")
        with psycopg.connect(shop.conninfo.replace("user=postgres", "user=visitor"), password=PASSWORD):
            run(site, backup.id, "--yes-replace", "shop")
        assert content(shop) == before
        (owner,) = shop.server.execute(
            "select pg_get_userbyid(datdba) from pg_database where datname = 'shop'"
        )
        assert owner == ("shop_owner",)
        newest = sites.restores(site)[0]
        assert newest.warnings == ()
        assert all(check.ok for check in newest.checks)
        done = site.run("restore", "--undo", newest.short_id, "--yes-replace", "shop")
        assert done.returncode == 0, done.stderr
        assert len(content(shop)) == len(before) - 1
        run(site, backup.id, "--into", f"beside_{each}")
        shop.execute("drop table sales.orders cascade; delete from sales.lines where n = 4")
        run(site, backup.id, "--table", "sales.orders")
        shop.execute("truncate sales.lines")
        run(site, backup.id, "--in-place", "--yes-replace", "shop")
        assert content(shop) == before


def run(site: Site, *words: str) -> None:
    done = site.run("restore", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shop", [17], indirect=True)
def test_a_session_of_a_superuser_is_named(site: Site, shop: Database) -> None:
    """Nobody but a superuser may end it."""
    backup = site.made("custom")
    with shop.connect() as somebody:
        somebody.execute("set application_name to 'the boss'")
        done = site.run("restore", backup.id, "--yes-replace", "shop", "--fence-timeout", "6")
    assert done.returncode == 1
    assert "A connection does not end within" in backups.sentence(done)
    assert "the boss" in done.stderr
    assert content(shop)


@pytest.mark.parametrize("shop", [17], indirect=True)
def test_one_that_may_not_act_for_the_owner(site: Site, shop: Database) -> None:
    """Found before anything is touched, with the statement that mends it."""
    backup = site.made("custom")
    shop.server.execute("revoke shop_owner from restorer")
    done = site.run("restore", backup.id, "--yes-replace", "shop")
    assert done.returncode == 3
    assert "may not act for shop_owner" in backups.sentence(done)
    assert "grant shop_owner to restorer" in done.stderr
    assert sites.databases(shop.server) == {"shop"}


def test_the_plan_names_whose_functions_would_run_as_superuser(site: Site) -> None:
    as_restorer = site.server_settings
    for each in sites.FORMATS:
        backup = site.made(each)
        assert "trusts" not in planned(site, backup.id)
        site.server_settings = {}
        site.write()
        trusts = planned(site, backup.id)["trusts"]
        assert trusts.startswith("what shop_owner wrote (functions, constraints, expressions) may run as ")
        site.server_settings = as_restorer
        site.write()


def planned(site: Site, backup: str) -> dict[str, str]:
    done = site.run("restore", backup, "--into", "beside", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("shop", [17], indirect=True)
def test_code_of_an_owner_who_has_no_function(site: Site, shop: Database) -> None:
    """Functions of PostgreSQL's own run what a text says, with the rights of whoever loads the row."""
    shop.execute("drop schema sales cascade")
    shop.execute(
        """set role shop_owner;
        create table armed (n int check (case when current_setting('is_superuser') = 'on' then
          query_to_xml('select set_config(''cluster.armed'', pg_read_file(''PG_VERSION''), false)',
                       true, true, '') is null else true end));
        insert into armed values (1)"""
    )
    backup = site.made("custom")
    run(site, backup.id, "--into", "by_restorer")
    site.server_settings = {}
    site.write()
    assert planned(site, backup.id)["trusts"].startswith("what shop_owner wrote ")
    refused = site.run("restore", backup.id, "--into", "by_superuser")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "What shop_owner wrote may run as superuser postgres" in backups.sentence(refused)
    assert "add --trust=shop_owner." in refused.stderr
    done = site.run("restore", backup.id, "--into", "by_superuser", "--trust", "shop_owner")
    assert done.returncode == 1, "the constraint did not read a file as the superuser"
    assert "armed" in done.stderr


@pytest.mark.parametrize("shop", [17], indirect=True)
def test_a_function_that_is_another_owners_by_now(site: Site, shop: Database) -> None:
    """What the lost table's constraint calls went with it, and somebody else took the name."""
    shop.execute(
        """create function public.good(n int) returns boolean language sql return true;
        create table public.lost (n int check (public.good(n))); insert into public.lost values (1)"""
    )
    site.server_settings = {}
    site.write()
    backup = site.made("custom")
    shop.execute(
        """drop table public.lost; drop function public.good;
        create role mallory; grant create on schema public to mallory; set role mallory;
        create function public.good(n int) returns boolean language plpgsql as
            $$ begin alter role mallory superuser; return true; end $$"""
    )
    words = ("restore", backup.id, "--table", "public.lost", "--trust", "shop_owner")
    refused = site.run(*words)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "What mallory wrote may run as superuser postgres" in backups.sentence(refused)
    superuser = "select rolsuper from pg_roles where rolname = 'mallory'"
    assert shop.execute(superuser) == [(False,)]
    assert site.run(*words, "--trust", "mallory").returncode == 0
    assert shop.execute(superuser) == [(True,)], "the trap does not work"
