"""A standby as the source of backups, logical and physical, busy and idle, with nothing archived."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.support import binaries, places
from tests.support.backups import PATIENCE, Site, plan, until
from tests.support.fixtures import MakeServer
from tests.support.servers import Server
from tests.support.standbys import caught_up, standby_of

pytestmark = pytest.mark.integration


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


@pytest.mark.parametrize("major", [15, 17, 18])
@pytest.mark.parametrize("stops", [False, True], ids=["idle", "primary stopped"])
def test_a_base_backup_where_no_record_follows(
    major: int, stops: bool, make_server: MakeServer, folder: Path
) -> None:
    """Its end is the end of the WAL that there is: nothing tells of it but pg_control."""
    primary = make_server(major)
    with standby_of(primary) as standby:
        primary.execute("create table t as select generate_series(1, 1000) a")
        primary.execute("checkpoint")
        caught_up(primary, standby)
        if stops:
            primary.stop()
            query = "select count(*) from pg_stat_wal_receiver"
            until(lambda: standby.execute(query) == [(0,)], "the end of the stream")
        standby.execute("checkpoint")
        site = Site(folder=folder / "site", server=standby, plans={"server": plan("physical")})
        backup = site.made("server")
        done = site.run("drill", "server")
        assert done.returncode == 0, done.stdout + done.stderr
        into = folder / "recovered"
        done = site.run("recover", "main", "--immediate", "--into", str(into))
        assert done.returncode == 0, done.stdout + done.stderr
        assert backup.server_facts is not None
        settings = (into / "postgresql.auto.conf").read_text().partition("# pgbackstop: recovery")[2]
        assert "restore_command = 'false'" in settings
        assert "recovery_target = ''" in settings


@pytest.mark.parametrize("format_", ["custom", "directory", "plain"])
def test_a_dump(format_: str, private_server: Server, folder: Path) -> None:
    private_server.execute("create unlogged table passing as select generate_series(1, 5) a")
    private_server.execute("create table kept as select generate_series(1, 1000) a")
    with standby_of(private_server) as standby:
        caught_up(private_server, standby)
        plans = {"app": plan(format=format_, jobs=2, databases=["postgres"])}
        site = Site(folder=folder / "site", server=standby, plans=plans)
        backup = site.made("app")
        assert backup.undumped == {"public.passing": None}
        (said,) = backup.warnings
        assert said.endswith("because they are unlogged: public.passing.")
        assert backup.row_counts == {"public.kept": 1000}
        done = site.run("drill", "app")
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_conflict_with_recovery_means(make_server: MakeServer, folder: Path) -> None:
    """The snapshot is held while the primary removes what it sees; pg_dump begins after that."""
    primary = make_server(17, settings={"max_standby_streaming_delay": "0"})
    primary.execute("create table t as select generate_series(1, 1000) a")
    with standby_of(primary) as standby:
        caught_up(primary, standby)
        waits = f"touch {folder}/begun; while ! test -e {folder}/go; do sleep 0.1; done"
        real = standby.programs.tool("pg_dump")
        script = f'test "$1" = --version || {{ {waits}; }}\nexec {real} "$@"'
        found = binaries.with_script(standby.programs, folder / "bin", "pg_dump", script)
        settings = {"bin_dir": str(found)}
        plans = {"app": plan(databases=["postgres"])}
        site = Site(folder=folder / "site", server=standby, plans=plans, server_settings=settings)
        with site.start("backup", "app") as runner:
            until((folder / "begun").exists, "pg_dump")
            primary.execute("delete from t")
            primary.execute("vacuum t")
            caught_up(primary, standby)
            (folder / "go").touch()
            _, told = runner.communicate(timeout=PATIENCE)
        assert site.newest().status is Status.FAILED
        assert "hot_standby_feedback" in told, told
        assert "Traceback" not in told
