"""The throw-away servers themselves: what every other test stands on."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support import accounts, binaries, install_postgres, places, shop
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

TOOLS = [
    "pg_amcheck",
    "pg_basebackup",
    "pg_controldata",
    "pg_dump",
    "pg_dumpall",
    "pg_receivewal",
    "pg_restore",
    "pg_verifybackup",
    "pg_waldump",
    "pgbench",
    "psql",
]


def test_answers_its_version(server: Server) -> None:
    answer = server.execute("SHOW server_version")
    assert str(answer[0][0]).split()[0] == server.programs.version
    assert server.programs.version.startswith(f"{server.major}.")


def test_serves_the_shop(server: Server, database: Database) -> None:
    assert database.server is server
    assert database.row_counts() == shop.ROW_COUNTS


def test_databases_are_private(database: Database) -> None:
    database.execute("DELETE FROM orders")
    assert database.server.major == binaries.DEFAULT_MAJOR
    names = [row[0] for row in database.server.execute("SELECT datname FROM pg_database")]
    assert names.count(database.name) == 1


def test_tools_answer(server: Server) -> None:
    for name in TOOLS:
        assert binaries.version_of(server.programs.tool(name)) == server.programs.version


def test_is_ready_for_backups(server: Server) -> None:
    wanted = {"wal_level": "replica", "max_wal_senders": "10", "data_checksums": "on", "fsync": "off"}
    assert {name: server.execute(f"SHOW {name}")[0][0] for name in wanted} == wanted


def test_password_is_required_and_private(pg17: Server) -> None:
    for file in (pg17.password_file, pg17.passfile):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_uid == os.geteuid()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{pg17.conninfo()} password=wrong")


def test_never_runs_as_root(pg17: Server) -> None:
    assert psutil.Process(pg17.pid).uids().effective == accounts.unprivileged().uid != 0


def test_a_killed_server_comes_back_on_its_port(private_server: Server) -> None:
    private_server.execute("CREATE TABLE kept AS SELECT 1 AS n")
    port, old = private_server.port, private_server.pid
    private_server.kill()
    assert not psutil.pid_exists(old)
    with pytest.raises(psycopg.OperationalError):
        private_server.connect()
    private_server.start()
    assert private_server.port == port
    assert private_server.execute("SELECT n FROM kept") == [(1,)]


def test_settings_reach_the_server(make_server: MakeServer) -> None:
    made = make_server(16, settings={"wal_level": "logical"}, durable=True)
    assert made.execute("SHOW wal_level") == [("logical",)]
    assert made.execute("SHOW fsync") == [("on",)]


def test_close_leaves_nothing(make_server: MakeServer) -> None:
    made = make_server()
    family = [psutil.Process(made.pid), *psutil.Process(made.pid).children()]
    segment = (made.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
    made.close()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []
    assert not made.folder.exists()
    listed = subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=True).stdout
    assert segment not in [line.split()[1] for line in listed.splitlines() if line.startswith("0x")]


def test_a_killed_session_leaves_no_server(pg17: Server) -> None:
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tests.support import binaries, servers
        # The parent's programs, because a copy of its own would outlive this process.
        programs = binaries.Binaries(major=17, folder=Path(sys.argv[1]), version="", origin="")
        with servers.Server(programs) as server:
            print(server.pid, server.folder, flush=True)
            time.sleep(600)
    """)
    session = subprocess.Popen(
        [sys.executable, "-c", program, str(pg17.programs.folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=install_postgres.ROOT,
    )
    with session:
        assert session.stdout is not None
        pid, folder = session.stdout.readline().split()
        postmaster = psutil.Process(int(pid))
        session.kill()
    try:
        postmaster.wait(timeout=120)
    finally:
        # Its process cannot remove the folder any more, so this test does.
        places.remove(Path(folder))
