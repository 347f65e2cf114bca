"""Settings that a server, a database and a role carry for others reach no session of ours and no tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

import pgbackstop_runner
from pgbackstop_catalog.config.server import Server as ServerConfig
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.postgres import error_messages, session_options
from pgbackstop_runner.postgres import sessions as postgres
from tests.support import binaries, databases, places
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

FORMATS = ("custom", "directory", "plain")
ANYBODYS = {
    "role": "nobody",
    "search_path": "nowhere",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "off",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "exit_on_error": "on",
    "transform_null_equals": "on",
    "maintenance_work_mem": "1MB",
    "max_parallel_maintenance_workers": "0",
}
SUPERUSERS = {
    "session_replication_role": "replica",
    "session_preload_libraries": "missing_library",
    "lc_messages": "C.UTF-8",
    "temp_file_limit": "1kB",
    "zero_damaged_pages": "on",
    "ignore_checksum_failure": "on",
}
SINCE_17 = {"transaction_timeout": "1ms"}
NO_MORE_THAN_A_DATABASES = {
    "role",
    "client_encoding",
}  # ALTER SYSTEM refuses the one, and who asks needs the other
TROUBLE = """
    create table texts (t text[], "Größe" text, b bytea, i interval, d date);
    insert into texts values ('{a,NULL}', 'Ж', '\\x00ff', '1 day 02:03', '2024-02-01');
    create table sorted as select random() r from generate_series(1, 100000);
    create index on sorted (r);
    create table kept (id int primary key, texts int references kept);
    insert into kept values (1, 1);
"""
ON_LOGIN = """
    create table logins (at timestamptz);
    create function noted() returns event_trigger language plpgsql as
      'begin insert into public.logins values (now()); end';
    create event trigger noted on login execute function public.noted();
    alter event trigger noted enable always;
"""
ROLE = Path(pgbackstop_runner.__file__).with_name("create-role.sql").read_text()
CONTENT = """select array(select t::text from public.texts t), array(select k::text from public.kept k)"""


def anybodys(major: int) -> dict[str, str]:
    return {**ANYBODYS, **(SINCE_17 if major >= 17 else {})}


def alter(server: Server, what: str, settings: Mapping[str, str]) -> None:
    """ALTER DATABASE, ROLE or SYSTEM, in one session: the next one may not be able to."""
    with server.connect() as connection:
        connection.autocommit = True
        for name, value in settings.items():
            quoted = ", ".join(f"'{each.strip()}'" for each in value.split(","))
            connection.execute(f"alter {what} set {name} = {quoted}".encode())


@pytest.fixture(params=binaries.MAJORS)
def hostile(request: pytest.FixtureRequest, make_server: MakeServer) -> Database:
    """A database whose settings, and those of its server and of the role "boss", forbid everything."""
    server = make_server(request.param)
    database = databases.clone(server)
    database.execute(TROUBLE)
    if request.param >= 17:
        database.execute(ON_LOGIN)
    server.execute("create role nobody")
    server.execute(f"create role boss superuser login password '{server.password}'")
    settings = {**anybodys(request.param), **SUPERUSERS}
    alter(server, f"database {database.name}", settings)
    alter(server, "role boss", settings)
    everybodys = {name: value for name, value in settings.items() if name not in NO_MORE_THAN_A_DATABASES}
    if request.param >= 17:  # a server's own value begins before any connection can say another
        everybodys["transaction_timeout"] = "2s"
    alter(server, "system", everybodys)
    asked = ServerConfig(port=server.port, password_file=server.password_file, user="postgres")
    with postgres.connect(asked) as connection:
        connection.execute("select pg_reload_conf()")
    return database


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


def content(site: Site, database: str) -> object:
    with postgres.connect(site.workspace.config.servers["main"], database) as connection:
        return connection.execute(CONTENT).fetchone()


def test_backup_restore_and_drill_of_a_hostile_server(hostile: Database, folder: Path) -> None:
    server = hostile.server
    plans = {each: plan(databases=[hostile.name], format=each) for each in FORMATS}
    site = Site(folder=folder, server=server, plans=plans, server_settings={"user": "boss"})
    before = content(site, hostile.name)
    for each in FORMATS:
        backup = site.made(each)
        assert backup.status is Status.SUCCEEDED
        assert (backup.warnings, backup.uncounted) == ((), ())
        assert (backup.row_counts or {})["public.kept"] == 1
        if server.programs.major >= 17:
            assert (backup.row_counts or {})["public.logins"] == 0
        target = f"back_{each}"
        done = site.run("restore", "latest", "--plan", each, "--database", hostile.name, "--into", target)
        assert done.returncode == 0, done.stderr
        assert content(site, target) == before
        done = site.run("drill", each)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("major", binaries.MAJORS)
@pytest.mark.parametrize("may_set", ["nothing", "event_triggers"])
def test_an_ordinary_role_is_refused_nothing(
    make_server: MakeServer, folder: Path, major: int, may_set: str
) -> None:
    server = make_server(major)
    database = databases.clone(server)
    database.execute(TROUBLE)
    server.execute("create role nobody")
    server.execute(f"create role reader login bypassrls password '{server.password}'")
    server.execute("grant pg_read_all_data, nobody to reader")
    if major >= 17:
        database.execute(ON_LOGIN)
        if may_set != "nothing":
            server.execute(f"grant set on parameter {may_set} to reader")
        else:  # the trigger does what its user may
            database.execute("grant insert on logins to reader")
    for what in (f"database {database.name}", "role reader"):
        alter(server, what, anybodys(major))
    plans = {"p": plan(databases=[database.name], role_passwords=False)}
    backup = Site(folder=folder, server=server, plans=plans, server_settings={"user": "reader"}).made("p")
    assert (backup.warnings, backup.uncounted) == ((), ())
    assert "to set parameter" not in server.log_tail(10_000)
    assert "unrecognized" not in server.log_tail(10_000)


def test_another_version_behind_the_same_address(make_server: MakeServer) -> None:
    newer, older = make_server(17), make_server(15)
    keywords = {"host": "127.0.0.1", "port": str(older.port), "user": "postgres", "dbname": "postgres"}
    session_options._allowed["127.0.0.1", str(older.port), "postgres"] = frozenset(session_options.PRIVILEGED)
    with session_options.connect(keywords, password=older.password) as connection:
        assert connection.info.server_version // 10000 == 15
    assert "event_triggers" not in session_options.options(keywords)
    told = {**keywords, "port": str(newer.port)}
    session_options.connect(told, password=newer.password).close()
    assert "event_triggers=off" in session_options.options(told)


def test_a_pooler_is_called_one() -> None:
    words = "FATAL:  unsupported startup parameter in options: role"
    said = postgres.unreachable(ServerConfig(host="pool"), None, psycopg.OperationalError(words))
    assert "is a connection pooler" in str(said)
    assert "those of PostgreSQL itself" in str(said)
    assert "pooler" in error_messages.diagnosis(f"pg_dump: error: {words}")[1]


def test_what_the_tools_hear_is_english(make_server: MakeServer, folder: Path) -> None:
    """Of the role that create-role.sql makes: translations need not be there to see what is asked for."""
    server = make_server(15, settings={"lc_messages": "C.UTF-8"})
    server.execute(ROLE)
    server.execute(f"alter role pgbackstop password '{server.password}'")
    asked = ServerConfig(port=server.port, password_file=server.password_file, user="pgbackstop")
    with postgres.connect(asked) as connection:
        assert connection.execute("show lc_messages").fetchone() == ("C",)
    for told in (
        session_options.connection_string(asked, "postgres", "a tool"),
        session_options.replication_string(asked, "a tool"),
    ):
        with psycopg.connect(told, password=server.password, autocommit=True) as connection:
            assert connection.execute("show lc_messages").fetchone() == ("C",)
