"""The exporter and a real PostgreSQL that dies, hangs, comes back, and says only what a role may see."""

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from tests.integration.exporter.running import Exporter, Scrape, write_config
from tests.support.binaries import Binaries
from tests.support.databases import Database
from tests.support.factories import catalog, catalog_and_files, daily
from tests.support.servers import SUPERUSER, Server

pytestmark = pytest.mark.integration
HOURS_AGO = timedelta(hours=3)


def configure(
    folder: Path, server: Server, user: str = SUPERUSER, *, maintenance_database: str = "postgres"
) -> Path:
    """A configuration with a daily plan of all databases of that server."""
    document = {
        "servers": {
            "main": {
                "host": "127.0.0.1",
                "port": server.port,
                "user": user,
                "password_file": server.password_file,
                "maintenance_database": maintenance_database,
            }
        },
        "plans": {"daily": {"server": "main", "backup_type": "logical"}},
        "storages": {"local": {"kind": "folder", "path": folder}},
    }
    return write_config(folder / "pgbackstop.yaml", document)


def is_up(page: Scrape) -> bool:
    return page.value("backup_postgres_up", server="main") == 1.0


def is_down(page: Scrape) -> bool:
    return page.value("backup_postgres_up", server="main") == 0.0


def test_a_server_that_dies_is_down_while_ages_grow(tmp_path: Path, private_server: Server) -> None:
    catalog_and_files(tmp_path, daily(datetime.now(UTC) - HOURS_AGO, database="postgres"))
    with Exporter(configure(tmp_path, private_server)) as exporter:
        before = exporter.until_page(lambda page: is_up(page) and bool(page.values("backup_age_seconds")))
        private_server.stop("immediate")
        after = exporter.until_page(is_down)
        assert after.values("backup_wal_slot_active") == []
        assert after.value("backup_last_success_time", database="postgres") == before.value(
            "backup_last_success_time", database="postgres"
        )
        ages = [page.value("backup_age_seconds", database="postgres") for page in (before, after)]
        assert ages[0] is not None
        assert ages[1] is not None
        assert ages[1] > ages[0] >= HOURS_AGO.total_seconds()
        private_server.start()
        exporter.until_page(is_up)


def test_a_server_that_hangs_holds_no_scrape_up(tmp_path: Path, private_server: Server) -> None:
    catalog_and_files(tmp_path, daily(database="postgres"))
    with Exporter(configure(tmp_path, private_server)) as exporter:
        exporter.until_page(is_up)
        processes = [psutil.Process(private_server.pid)]
        processes += processes[0].children(recursive=True)
        try:
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            # Every page until then was answered while the server was stopped.
            page = exporter.until_page(is_down)
            assert page.value("backup_last_success_time", database="postgres")
            assert page.value("backup_collector_success", collector="postgres:main") == 0.0
            assert page.value("backup_collector_last_success_timestamp_seconds", collector="postgres:main")
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGCONT)
        exporter.until_page(is_up)


def test_what_the_server_says(tmp_path: Path, server: Server) -> None:
    slot = "pgbackstop"
    server.execute(f"SELECT pg_create_physical_replication_slot('{slot}', true)")
    try:
        catalog(tmp_path)
        with Exporter(configure(tmp_path, server)) as exporter:
            page = exporter.until_page(is_up)
            mine = "application_name = 'pgbackstop-exporter'"
            connections = server.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {mine}")
    finally:
        server.execute(f"SELECT pg_drop_replication_slot('{slot}')")
    assert connections == [(1,)]
    assert page.value("backup_wal_slot_active", server="main") == 0.0
    retained = page.value("backup_wal_slot_retained_bytes", server="main")
    assert retained is not None
    assert retained >= 0
    assert page.value("backup_wal_slot_limit_bytes", server="main") == 10**10
    assert page.value("backup_wal_ready_segments", server="main") == 0.0
    assert page.value("backup_pg_archiver_last_archived_timestamp_seconds", server="main") == 0.0


def test_databases_come_and_go_with_the_server(tmp_path: Path, database: Database) -> None:
    catalog_and_files(tmp_path, daily(database="dropped_long_ago"))
    with Exporter(configure(tmp_path, database.server)) as exporter:
        page = exporter.until_page(lambda page: bool(page.values("backup_enabled", database=database.name)))
        assert page.value("backup_last_success_time", database=database.name) == 0.0
        assert page.values("backup_enabled", database="dropped_long_ago") == []
        assert page.values("backup_enabled", database="template1") == []
        database.drop()
        exporter.until_page(lambda page: not page.values("backup_enabled", database=database.name))


def test_a_database_without_an_encoding_gives_names_all_the_same(tmp_path: Path, database: Database) -> None:
    server, name = database.server, f"{database.name}_ascii"
    server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    with server.connect(name) as connection:
        connection.execute(b'CREATE DATABASE "gr\xf6\xdfe" TEMPLATE template0')
    try:
        with Exporter(configure(tmp_path, server)) as exporter:
            exporter.until_page(lambda page: bool(page.values("backup_enabled", database=r"gr\xf6\xdfe")))
        with Exporter(configure(tmp_path, server, maintenance_database=name)) as exporter:
            exporter.until_page(lambda page: bool(page.values("backup_enabled", database=database.name)))
    finally:
        with server.connect(name) as connection:
            connection.execute(b'DROP DATABASE "gr\xf6\xdfe" WITH (FORCE)')
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_role_that_may_see_little_is_no_failure(tmp_path: Path, pg17: Server) -> None:
    password = pg17.password_file.read_text().strip()
    pg17.execute(f"CREATE ROLE watcher LOGIN PASSWORD '{password}'")
    try:
        with Exporter(configure(tmp_path, pg17, "watcher")) as exporter:
            page = exporter.until_page(is_up)
            assert page.values("backup_wal_ready_segments") == []
    finally:
        pg17.execute("DROP ROLE watcher")


def test_a_wrong_password_is_told_without_it(tmp_path: Path, pg17: Server) -> None:
    config = configure(tmp_path, pg17)
    secret = tmp_path / "password"
    secret.write_text("not-the-password\n")
    config.write_text(config.read_text().replace(str(pg17.password_file), str(secret)))
    with Exporter(config) as exporter:
        exporter.until_page(is_down)
        line = exporter.until(lambda: exporter.logged("collector failed", collector="postgres:main"))
        start_page = exporter.get("/").decode()
    assert "password authentication failed" in line["problem"]
    assert "not-the-password" not in str(exporter.lines) + start_page


def test_whose_database_it_is_runs_nothing_as_our_role(tmp_path: Path, private_server: Server) -> None:
    """Its owner puts a view of PostgreSQL's own name before PostgreSQL's, and a function behind it."""
    private_server.execute("create role bob login")
    private_server.execute("create database app owner bob")
    as_bob = (
        "set role bob",
        "create schema evil",
        "grant usage on schema evil to public",
        "create table evil.loot (who text)",
        "grant insert on evil.loot to public",
        "create function evil.leak() returns boolean language plpgsql as $$ begin "
        "raise log 'LOOT by %', current_user; return true; end $$",
        "create view evil.pg_stat_archiver as select * from pg_catalog.pg_stat_archiver where evil.leak()",
        "create view evil.pg_database as select * from pg_catalog.pg_database where evil.leak()",
        "grant select on all tables in schema evil to public",
        "alter database app set search_path = evil, pg_catalog",
    )
    private_server.execute("; ".join(as_bob), database="app")
    with Exporter(configure(tmp_path, private_server, maintenance_database="app")) as exporter:
        exporter.until_page(is_up)
    assert "LOOT" not in private_server.log.read_text()


GERMAN = Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo")
LABEL = "backup_postgres_unreachable_info"


@pytest.fixture
def german() -> Iterator[Server]:
    """A server that speaks German: as packaged, because wheels have no translations."""
    folder = Path("/usr/lib/postgresql/15/bin")
    if not (GERMAN.exists() and folder.exists()):
        pytest.skip("needs PostgreSQL 15 with its translations: install Debian's postgresql-15")
    programs = Binaries(major=15, folder=folder, version="15", origin="system")
    settings = {"lc_messages": "C.UTF-8"}
    with Server(programs, settings=settings, environment={"LANGUAGE": "de"}) as server:
        yield server


def test_why_a_server_that_speaks_another_language_does_not_answer(tmp_path: Path, german: Server) -> None:
    secret = tmp_path / "password"
    secret.write_text("falsch\n")
    config = configure(tmp_path, german)
    right = config.read_text()

    def told(reason: str) -> Callable[[Scrape], bool]:
        return lambda page: page.value(LABEL, server="main", reason=reason) == 1.0

    config.write_text(right.replace(str(german.password_file), str(secret)))
    with Exporter(config) as exporter:
        exporter.until_page(told("login refused"))
    config.write_text(right.replace("maintenance_database: postgres", "maintenance_database: fort"))
    with Exporter(config) as exporter:
        exporter.until_page(told("no such role or database"))
    german.execute("create role seher login connection limit 0")
    german.execute(f"alter role seher password '{german.password}'")
    config.write_text(right.replace(f"user: {SUPERUSER}", "user: seher"))
    with Exporter(config) as exporter:
        exporter.until_page(told("too many connections"))
