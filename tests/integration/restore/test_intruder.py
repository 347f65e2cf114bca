"""A database that is being filled lets nobody in, whatever the dump, or who will own it, says about that."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.servers import Server

# On the way to the row the restore waits until there is a role of that name.
ROLES = """
    create role intruder_{name} login password 'known';
    create role owner_{name} login password 'known';
    create role restorer_{name} login createdb password 'known';
    grant pg_signal_backend, owner_{name} to restorer_{name};
"""
GATE = """
    grant connect, create on database {name} to intruder_{name};
    grant create on schema public to owner_{name};
    set role owner_{name};
    create function gate() returns boolean language plpgsql as $gate$
    begin
        while current_database() <> '{name}' and not exists (
            select from pg_catalog.pg_roles where rolname = 'open_{name}'
        ) loop
            perform pg_catalog.pg_sleep(0.05);
        end loop;
        return true;
    end $gate$;
    create table gated (n int check (gate()));
    insert into gated values (1);
"""
FILLED = (
    "select datname from pg_stat_activity where query like '%gated%' and datname like 'shop%'"
    " and datname <> '{name}' and state = 'active'"
)
REFUSED = "permission denied for database"


@dataclass(frozen=True, kw_only=True)
class HeldRestore:
    """A database whose restore waits in the middle."""

    database: Database
    folder: Path
    site: Site

    @property
    def copy(self) -> str:
        return f"{self.database.name}_copy"

    def as_role(self, role: str, database: str) -> psycopg.Connection:
        who = f"host=127.0.0.1 port={self.database.server.port} user={role}_{self.database.name}"
        return psycopg.connect(f"{who} password=known", dbname=database, autocommit=True)

    @contextlib.contextmanager
    def being_filled(self, *words: str) -> Iterator[str]:
        """The name of the database that is being filled; the restore goes on, and well, at the end."""
        server = self.database.server
        trust = f"--trust=owner_{self.database.name}"
        running = self.site.start("restore", "latest", "--plan", "daily", trust, *words)
        try:
            filled = FILLED.format(name=self.database.name)
            backups.until(lambda: server.execute(filled), "the restore at the gate")
            ((name,),) = set(server.execute(filled))
            yield str(name)
        finally:
            server.execute(f"create role open_{self.database.name}")
            said, problems = running.communicate(timeout=backups.PATIENCE)
        assert running.returncode == 0, (said, problems)


@pytest.fixture
def gate(pg17: Server) -> Iterator[HeldRestore]:
    folder, name = places.make(), f"shop_{secrets.token_hex(4)}"
    pg17.execute(ROLES.format(name=name))
    pg17.execute(f"create database {name} owner owner_{name}")
    database = Database(server=pg17, name=name)
    database.execute(GATE.format(name=name))
    site = Site(folder=folder / "site", server=pg17, plans={"daily": backups.plan(databases=[name])})
    site.make("daily")
    made = HeldRestore(database=database, folder=folder, site=site)
    yield made
    for each in (made.copy, name):
        pg17.execute(f'drop database if exists "{each}" with (force)')
    for role in ("open", "restorer", "owner", "intruder"):
        pg17.execute(f"drop role if exists {role}_{name}")
    places.remove(folder)


def rights(gate: HeldRestore, database: str) -> tuple[object, ...]:
    """Its owner, whom it lets in, and how many."""
    who = f"{{}}_{gate.database.name}"
    (row,) = gate.database.server.execute(
        "select pg_get_userbyid(datdba), datallowconn, datconnlimit,"
        f" has_database_privilege('{who.format('intruder')}', oid, 'connect,create'),"
        f" has_database_privilege('public', oid, 'connect'),"
        " (select array_agg(distinct a.privilege_type order by a.privilege_type)"
        "  from aclexplode(datacl) a where a.grantee = datdba),"
        f" (select count(*) from aclexplode(datacl) a where a.grantee = '{who.format('restorer')}'::regrole)"
        f" from pg_database where datname = '{database}'"
    )
    return row


def test_nobody_enters_what_a_superuser_fills(gate: HeldRestore) -> None:
    """He who will own it cannot open it for himself, either."""
    name = gate.database.name
    before = rights(gate, name)
    with gate.being_filled("--into", gate.copy) as filled:
        for role in ("intruder", "owner"):
            with pytest.raises(psycopg.OperationalError, match=REFUSED):
                gate.as_role(role, filled)
        with gate.as_role("owner", name) as connection:
            for statement in (
                f'alter database "{filled}" connection limit -1',
                f'alter database "{filled}" allow_connections true',
                f'alter database "{filled}" set search_path = evil',
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
            connection.execute(f'grant connect on database "{filled}" to public'.encode())  # a mere warning
        with pytest.raises(psycopg.OperationalError, match=REFUSED):
            gate.as_role("owner", filled)
    assert rights(gate, gate.copy) == before
    for role in ("intruder", "owner"):
        gate.as_role(role, gate.copy).close()


def test_nobody_enters_what_single_tables_are_taken_from(gate: HeldRestore) -> None:
    gate.database.execute("alter table gated rename to kept")
    with gate.being_filled("--table", "public.gated") as filled:
        for role in ("intruder", "owner"):
            with pytest.raises(psycopg.OperationalError, match=REFUSED):
                gate.as_role(role, filled)


def test_nobody_enters_what_another_role_fills(gate: HeldRestore) -> None:
    """Only he who owns it could open it for himself, which the plan of the restore says."""
    name, server = gate.database.name, gate.database.server
    before = rights(gate, name)
    secret = gate.folder / "password"
    secret.write_text("known\n", encoding="utf-8")
    secret.chmod(0o600)
    restorer = {"user": f"restorer_{name}", "password_file": str(secret)}
    gate.site.server_settings = {"restore_role": restorer}
    gate.site.write()
    planned = gate.site.run("restore", "latest", "--plan", "daily", "--into", gate.copy, "--dry-run")
    assert "open to" in planned.stdout, planned.stderr
    assert f"owner_{name}, who owns the database" in planned.stdout
    with gate.being_filled("--into", gate.copy) as filled:
        for role in ("intruder", "owner"):
            with pytest.raises(psycopg.OperationalError, match=REFUSED):
                gate.as_role(role, filled)
        assert server.execute(f"select has_database_privilege('restorer_{name}', '{filled}', 'connect')") == [
            (True,)
        ]
    assert rights(gate, gate.copy) == before
    gate.as_role("owner", gate.copy).close()
