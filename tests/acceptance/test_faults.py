"""Faults that have happened to users of other systems, provoked for real on the program as a process."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from tests.acceptance.bulk import BULK, failed
from tests.support.backups import (
    PATIENCE,
    Site,
    clients,
    end,
    gone,
    plan,
    sentence,
    until,
    waiting_client,
)
from tests.support.databases import Database
from tests.support.fixtures import MakeServer

ATTEMPTS = 5  # of what must come between two things that the machine does


@pytest.mark.parametrize("settings", [{}, {"format": "plain"}, {"format": "directory"}], ids=str)
def test_pg_dump_is_killed(big: Database, tmp_path: Path, settings: dict[str, str]) -> None:
    """Fault 1: every exit status counts, whatever the compressor says."""
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        site = Site(folder=folder, server=big.server, plans={"p": plan(databases=[big.name], **settings)})
        with site.start("backup", "p") as runner:
            dump = waiting_client(runner, "pg_dump")
            _until_a_byte(site, runner)
            end(dump)
            output, errors = runner.communicate(timeout=PATIENCE)
        if runner.returncode != 0:  # else it was done before it was killed
            break
    assert runner.returncode == 1
    assert output == ""
    made = failed(site, "p", Reason.TOOL)
    assert "pg_dump was ended by signal 9" in made.message
    assert "pg_dump was ended by signal 9" in errors


def test_the_server_ends_the_session(big: Database, tmp_path: Path) -> None:
    """The tool's last words are on record, and they say that it was the server."""
    site = Site(folder=tmp_path, server=big.server, plans={"p": plan(databases=[big.name])})
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND "
    ended += "application_name LIKE 'pgbackstop 2%' AND wait_event_type = 'Lock'"
    with big.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE bulk IN ACCESS EXCLUSIVE MODE")
        with site.start("backup", "p") as runner:
            until(lambda: big.server.execute(ended.format(big.name)), "the session of pg_dump")
            runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 6
    made = failed(site, "p", Reason.UNREACHABLE)
    assert "administrator command" in made.message


def test_sigterm(big: Database, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=big.server, plans={"p": plan(databases=[big.name])})
    with big.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE bulk IN ACCESS EXCLUSIVE MODE")
        with site.start("backup", "p") as runner:
            family = [waiting_client(runner, "pg_dump"), *psutil.Process(runner.pid).children(recursive=True)]
            runner.send_signal(signal.SIGTERM)
            _, errors = runner.communicate(timeout=PATIENCE)
        until(lambda: gone(family), "the death of its children")
    assert runner.returncode == 130
    assert "Ended by SIGTERM." in errors
    made = site.newest("p")
    assert (made.status, made.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED)
    assert site.leftovers() == []
    assert site.made("p").status is Status.SUCCEEDED


def test_two_at_once(big: Database, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=big.server, plans={"p": plan(databases=[big.name])})
    with big.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE bulk IN ACCESS EXCLUSIVE MODE")
        with site.start("backup", "p") as first:
            waiting_client(first, "pg_dump")
            second = site.run("backup", "p")
            first.terminate()
            first.communicate(timeout=PATIENCE)
    assert second.returncode == 4
    assert f"A backup of plan p is already running (process {first.pid} on" in sentence(second)
    assert len(site.backups("p")) == 1


def test_nothing_secret_is_shown(big: Database, tmp_path: Path) -> None:
    """Fault 26: not in argv, not in the environment of children, not in any byte that is written."""
    secret = r"Tr:ub\4dor&3 'x\\"
    with big.server.connect() as connection:
        literal = psycopg.sql.Literal(secret)
        create = "CREATE ROLE secretive SUPERUSER LOGIN PASSWORD {}"
        connection.execute(psycopg.sql.SQL(create).format(literal))
    site = Site(
        folder=tmp_path,
        server=big.server,
        plans={
            "c": plan(databases=[big.name]),
            "d": plan(databases=[big.name], format="directory"),
            "w": plan("physical", max_rate="32MB"),  # so that it can be looked at
        },
        server_settings={"user": "secretive", "password_file": None, "password_env": "THE_PASSWORD"},
    )
    seen: set[str] = set()
    for name in site.plans:
        with site.start("backup", name, env={"THE_PASSWORD": secret}) as runner:
            while runner.poll() is None:
                with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                    for child in psutil.Process(runner.pid).children(recursive=True):
                        seen.update(_looked_into(child, secret))
            output, errors = runner.communicate()
        assert runner.returncode == 0, errors
        assert secret not in output + errors
    big.server.execute("DROP ROLE secretive")
    assert {"pg_dump", "pg_basebackup"} <= seen
    # Table rows and hashes are the server's; what we write ourselves is text.
    written = [path for path in site.folder.rglob("*") if path.suffix in {".json", ".md", ".sql", ".lock"}]
    for path in [*written, *site.folder.rglob("SHA256SUMS")]:
        assert secret not in path.read_text()
        assert "4dor" not in path.read_text()


def _looked_into(child: psutil.Process, secret: str) -> Iterator[str]:
    """The child's name, once it is itself: between fork and exec it still is the runner."""
    folder = Path("/proc", str(child.pid))
    try:
        words, variables, name = (
            (folder / "cmdline").read_bytes(),
            (folder / "environ").read_bytes(),
            child.name(),
        )
    except (OSError, psutil.NoSuchProcess):
        return
    if b"pgbackstop_runner.main" in words:
        return
    for content in (words, variables):
        assert secret.encode() not in content
        assert b"4dor" not in content
    yield name


def test_a_lock_is_waited_for_and_given_up(big: Database, tmp_path: Path) -> None:
    """Fault 5: a lock, and then a server that says nothing at all."""
    settings: dict[str, Any] = {"databases": [big.name], "lock_timeout": "10m", "first_byte_timeout": "10s"}
    site = Site(folder=tmp_path, server=big.server, plans={"p": plan(**settings)})
    with big.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE bulk IN ACCESS EXCLUSIVE MODE")
        done = site.run("backup", "p")
    assert done.returncode == 1
    made = failed(site, "p", Reason.STALLED)
    assert "gave no byte for 10s" in made.message
    assert "first_byte_timeout" in made.message


@pytest.fixture
def frozen() -> Iterator[list[psutil.Process]]:
    """Processes that a test has stopped; they go on when it ends."""
    stopped: list[psutil.Process] = []
    yield stopped
    for each in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.resume()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (plan(row_counts=False, stall_timeout="2s"), Reason.STALLED),
        (plan(max_duration="12s"), Reason.TIMEOUT),
        (plan("physical", max_rate="1MB", stall_timeout="2s"), Reason.STALLED),
        (plan("physical", max_rate="1MB", max_duration="12s"), Reason.TIMEOUT),
    ],
    ids=["dump-stalled", "dump-too-long", "basebackup-stalled", "basebackup-too-long"],
)
def test_the_server_freezes(
    make_server: MakeServer,
    tmp_path: Path,
    frozen: list[psutil.Process],
    settings: dict[str, object],
    reason: Reason,
) -> None:
    """Fault 5: every process of the server stops in the middle of the stream; no connection breaks."""
    server = make_server()
    server.execute(BULK.format(seed="frozen", rows=2_000_000))
    site = Site(folder=tmp_path, server=server, plans={"p": settings})
    with site.start("backup", "p") as runner:
        if settings["backup_type"] == "logical":
            tool = waiting_client(runner, "pg_dump")
            until(lambda: _bytes(site) > 0, "a byte")
            tool.suspend()  # so that the dump cannot end before the server stops
            frozen.append(tool)
        until(lambda: _bytes(site) > 0, "a byte")
        family = psutil.Process(server.pid).children(recursive=True)
        for each in [*family, psutil.Process(server.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.suspend()
                frozen.append(each)
        if settings["backup_type"] == "logical":
            with contextlib.suppress(psutil.NoSuchProcess):  # it was given up already
                tool.resume()
        _, errors = runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 1, errors
    failed(site, "p", reason)
    assert clients(os.getpid()) == []


def _until_a_byte(site: Site, runner: subprocess.Popen[str]) -> None:
    """Or until it is over."""
    until(lambda: _bytes(site) > 0 or runner.poll() is not None, "a byte")


def _bytes(site: Site) -> int:
    """What has arrived of a backup that is being made."""
    with contextlib.suppress(FileNotFoundError):  # it was renamed while we looked
        paths = site.store.glob("backups/**/*.partial/**/*")
        return sum(path.stat().st_size for path in paths if path.is_file())
    return 0
