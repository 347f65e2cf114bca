"""The shipped script makes a role that can do all that backups and monitoring need, and no more."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgbackstop_runner
from tests.support.databases import Database
from tests.support.servers import Server

SCRIPT = Path(pgbackstop_runner.__file__).with_name("create-role.sql")
AWKWARD = """
create schema hidden;
revoke all on schema hidden from public;
create table hidden.secrets (word text);
insert into hidden.secrets values ('only-the-owner-sees-this');
alter table hidden.secrets enable row level security, force row level security;
create sequence hidden.numbers;
create materialized view hidden.stored as select * from hidden.secrets;
"""
SEEN = (
    "select pg_current_wal_lsn()",
    "select count(*) from pg_ls_archive_statusdir()",
    "select count(*) from pg_ls_waldir()",
    "select sum(pg_database_size(oid)) from pg_database",
    "select pg_tablespace_size('pg_default')",
    "select system_identifier from pg_control_system()",
    "select setting from pg_settings where name = 'data_directory'",
    "select count(*) from pg_stat_archiver",
    "select count(*) from pg_stat_progress_basebackup",
    "select count(restart_lsn) from pg_replication_slots",
)
REFUSED = (
    "delete from orders",
    "create table mine (n int)",
    "create role other",
    "create database other",
    "select pg_read_file('PG_VERSION')",
    "select pg_switch_wal()",
    "alter system set fsync = off",
)


@pytest.fixture
def role(server: Server, database: Database) -> Iterator[dict[str, str]]:
    """The environment of a client that is the new role; the script ran twice, which must not matter."""
    database.execute(AWKWARD)
    database.execute(f'revoke connect on database "{database.name}" from public')
    for _ in range(2):
        argv = [str(server.programs.tool("psql")), "-X", "-v", "ON_ERROR_STOP=1", "-q", "-f", str(SCRIPT)]
        # The second time it notices that the memberships are there.
        environment = {**server.environment, "PGOPTIONS": "-c client_min_messages=warning"}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert _attributes(server) == [("pgbackstop", True, True, True, False, False, False, True)]
    server.execute("alter role pgbackstop password 'of this test'")
    yield {
        "PATH": os.environ["PATH"],
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": "pgbackstop",
        "PGDATABASE": "postgres",
        "PGPASSWORD": "of this test",
    }
    server.execute("drop owned by pgbackstop")
    server.execute("drop role pgbackstop")


def _attributes(server: Server) -> list[tuple[object, ...]]:
    return server.execute(
        """select rolname::text, rolcanlogin, rolreplication, rolbypassrls, rolsuper, rolcreaterole,
                  rolcreatedb, rolpassword is null
           from pg_authid where rolname = 'pgbackstop'"""
    )


def _run(
    server: Server, role: dict[str, str], tool: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    argv = [str(server.programs.tool(tool)), *arguments]
    return subprocess.run(argv, env=role, capture_output=True, text=True, check=False)


def test_it_dumps_every_database_and_the_globals(
    server: Server, database: Database, role: dict[str, str]
) -> None:
    dump = _run(server, role, "pg_dump", database.name)
    assert (dump.returncode, dump.stderr) == (0, "")
    assert "only-the-owner-sees-this" in dump.stdout
    assert "COPY public.orders" in dump.stdout
    # pg_read_all_data may read every table, and pg_authid with the password hashes is one.
    globals_only = _run(server, role, "pg_dumpall", "--globals-only")
    assert (globals_only.returncode, globals_only.stderr) == (0, "")
    assert "CREATE ROLE pgbackstop" in globals_only.stdout
    assert "PASSWORD 'SCRAM-SHA-256$" in globals_only.stdout


def test_large_objects_need_a_setting_of_a_superuser(
    server: Server, database: Database, role: dict[str, str]
) -> None:
    database.execute("select lo_from_bytea(0, 'large')")
    refused = _run(server, role, "pg_dump", database.name)
    assert refused.returncode != 0
    assert "permission denied for large object" in refused.stderr
    database.execute(f'alter database "{database.name}" set lo_compat_privileges = on')
    assert _run(server, role, "pg_dump", database.name).returncode == 0


def test_subscriptions_need_a_superuser(server: Server, database: Database, role: dict[str, str]) -> None:
    database.execute(
        """create subscription subscribed connection 'dbname=nowhere' publication published
           with (connect = false, enabled = false, slot_name = none)"""
    )
    try:
        dump = _run(server, role, "pg_dump", database.name)
        assert dump.returncode == 0
        assert "subscriptions not dumped" in dump.stderr
        assert "CREATE SUBSCRIPTION" not in dump.stdout
    finally:
        database.execute("drop subscription subscribed")


def test_it_takes_a_physical_backup_with_a_slot(server: Server, role: dict[str, str], tmp_path: Path) -> None:
    target = str(tmp_path / "base")
    arguments = ["-D", target, "-X", "stream", "-c", "fast", "--create-slot", "--slot=of_this_test"]
    done = _run(server, role, "pg_basebackup", *arguments)
    assert done.returncode == 0, done.stderr
    assert _run(server, role, "pg_verifybackup", target).returncode == 0
    dropped = _run(server, role, "pg_receivewal", "-D", str(tmp_path), "--drop-slot", "--slot=of_this_test")
    assert dropped.returncode == 0, dropped.stderr


def test_it_sees_what_monitoring_asks(server: Server, role: dict[str, str]) -> None:
    for query in SEEN:
        done = _run(server, role, "psql", "-XAtqc", query)
        assert (done.returncode, done.stderr) == (0, ""), query
        assert done.stdout.strip(), query


def test_it_changes_nothing(server: Server, database: Database, role: dict[str, str]) -> None:
    for statement in REFUSED:
        done = _run(server, role, "psql", "-X", "-d", database.name, "-c", statement)
        assert done.returncode != 0, statement
        assert "permission denied" in done.stderr, statement
