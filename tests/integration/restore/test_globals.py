"""Every role that a dump names comes with --globals, whatever the first superusers are called."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.integration.drill.conftest import drills
from tests.integration.restore import places as sites
from tests.support import backups, binaries, places
from tests.support.backups import Site
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

SUPERUSERS = {"boss", "postgres"}
# No dump of the database names these.
OTHERS = {"chair", "unrelated"}
NAMED = {
    *("policy_reader", 'policy "writer', "default_owner", "default_grantee", "default_revoked", "mapped"),
    *("configured", "lob_owner", "lob_reader", "grantor", "granted", "member", "no, longer"),
}
# They own nothing: a member is what he is by them.
GROUPS = {"team", "club"}
ROLES = SUPERUSERS - {"boss"} | NAMED | GROUPS | OTHERS
DATABASE = """
    create table shelves (n int);
    alter table shelves enable row level security;
    create policy "a TO b" on shelves as restrictive for select to policy_reader, "policy ""writer"
        using (n > 0);
    alter default privileges for role default_owner grant select on tables to default_grantee;
    alter default privileges for role default_revoked revoke execute on functions from public;
    create foreign data wrapper wrapper;
    create server far foreign data wrapper wrapper;
    create user mapping for mapped server far options ("user" 'x TO y');
    create user mapping for public server far;
    alter role configured in database shop set work_mem to '7MB';
    select lo_create(4711), lo_create(4712);
    alter large object 4711 owner to lob_owner;
    grant select on large object 4712 to lob_reader;
    grant select on shelves to grantor with grant option;
    set role grantor;
    grant select on shelves to granted;
    reset role;
    create table members (n int);
    alter table members owner to member;
    create view seen as select * from members;
    alter view seen owner to postgres;
    create function looks() returns int language sql as 'select 1';
    revoke execute on function looks() from public;
    grant execute on function looks() to "no, longer";
    set role chair;
    grant club to member;
    set role postgres;
    grant team to club;
    reset role;
"""
# Since 16 a membership says what it is good for.
OPTIONS = """
    grant club to granted with admin true, inherit false, set false;
    grant team to member with inherit true, set false;
    set role granted;
    grant club to grantor with inherit false, set true;
    reset role;
    grant club to member with inherit false, set false"""
# What several grantors gave, as chair did and boss, holds side by side: neither may grant there.
KNOWN_OPTIONS = """
    select pg_get_userbyid(roleid), pg_get_userbyid(member),
      bool_or(admin_option), bool_or(inherit_option), bool_or(set_option)
    from pg_auth_members where roleid >= 16384 and pg_get_userbyid(member) <> 'chair'
    group by 1, 2 order by 1, 2"""
# What PostgreSQL knows of roles in the database, but for superusers, of whom the first is in none of it.
KNOWN = """
    select * from (
      select 'depends', classid::regclass::text, deptype::text, pg_get_userbyid(refobjid) as role
      from pg_shdepend where refclassid = 'pg_authid'::regclass
        and dbid = (select oid from pg_database where datname = 'shop')
      union all
      select 'set', setconfig::text, '', pg_get_userbyid(setrole) from pg_db_role_setting where setrole <> 0
      union all
      select 'member', pg_get_userbyid(roleid), bool_or(admin_option)::text, pg_get_userbyid(member)
      from pg_auth_members where roleid >= 16384 group by roleid, member
      union all
      select 'role', rolsuper::text, rolcanlogin::text, rolname from pg_roles where oid >= 16384
    ) known where role not in ('boss', 'postgres', 'chair', 'unrelated') order by 1, 2, 3, 4"""
# An archive lists large objects in another way since 17.
FORMATS = {15: "directory", 16: "custom", 17: "plain"}
KNOWN_ROLES = "select rolname from pg_roles where oid >= 16384 or oid = 10"


@pytest.fixture(params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def source(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    """A server whose first superuser is "boss", while a later one is called postgres."""
    server = make_server(request.param, superuser="boss")
    for name in ROLES:
        quoted = name.replace('"', '""')
        server.execute(f'create role "{quoted}" {"superuser" if name in SUPERUSERS else ""}')
    server.execute("grant club to chair with admin option")
    server.execute("create database shop")
    server.execute(DATABASE, "shop")
    if server.major >= 16:
        server.execute(OPTIONS)
    return server


@pytest.fixture
def target(source: Server, make_server: MakeServer) -> Server:
    """An empty server whose only superuser is "postgres"."""
    return make_server(source.major)


@pytest.fixture
def site(source: Server, target: Server) -> Iterator[Site]:
    folder = places.make()
    yield Site(
        folder=folder / "site",
        server=source,
        plans={each: backups.plan(databases=["shop"], format=each) for each in sites.FORMATS},
        more_servers={"other": backups.reached(target)},
    )
    places.remove(folder)


def roles(server: Server) -> set[object]:
    return {name for (name,) in server.execute(KNOWN_ROLES)}


def restored(site: Site, kind: str, *words: str) -> None:
    words = ("restore", "--plan", kind, "--server", "other", "--into", "shop", *words)
    planned = json.loads(site.run(*words, "--dry-run", "--json").stdout)
    done = site.run(*words, *(f"--trust={each}" for each in planned["trust"]))
    assert done.returncode == 0, done.stderr


def test_every_role_that_the_dump_names(site: Site, source: Server, target: Server) -> None:
    kind = FORMATS.get(source.major, "directory")
    site.made(kind)
    restored(site, kind, "--globals")
    assert target.execute(KNOWN) == source.execute(KNOWN)
    if source.major >= 16:
        assert target.execute(KNOWN_OPTIONS) == source.execute(KNOWN_OPTIONS)
    assert roles(target) == SUPERUSERS | NAMED | GROUPS


@pytest.mark.parametrize("source", [17], indirect=True)
def test_the_plan_names_them_before_anything_is_made(site: Site, target: Server) -> None:
    site.made("custom")
    words = ("restore", "--plan", "custom", "--server", "other", "--into", "shop")
    refused = site.run(*words)
    assert refused.returncode == 3
    assert all(name in backups.sentence(refused) for name in NAMED | {"boss"}), refused.stderr
    planned = site.run(*words, "--globals", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert all(f"{name} is created" in planned.stdout for name in NAMED | GROUPS | {"boss"})
    assert roles(target) == {"postgres"}


def test_a_drill_grants_as_the_first_superuser_of_the_source(site: Site) -> None:
    site.made("custom")
    done = site.run("drill", "custom")
    assert done.returncode == 0, done.stderr
    (proof,) = drills(site)
    assert proof.status is Status.SUCCEEDED
