"""Where passwords come from: whatever gives them, every session and every tool of ours is let in by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.integration.exporter.running import Exporter
from tests.integration.wal.receiver import Receiver
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.servers import Server

pytestmark = pytest.mark.integration
PLANS = {
    "app": plan(format="directory", jobs=2),
    "all": plan(format="custom", databases=["postgres"]),
    "server": plan("physical"),
}


@pytest.fixture
def tokens(tmp_path: Path, pg17: Server) -> Path:
    """A file with the password that is good at this moment."""
    file = tmp_path / "token"
    file.write_text(pg17.password + "\n")
    file.chmod(0o600)
    return file


def by_command(file: Path) -> dict[str, Any]:
    return {"password_file": None, "password_command": ["cat", str(file)]}


def succeeded(site: Site, *names: str) -> list[Backup]:
    """Makes a backup by each of the plans; in none of its files or words is the password."""
    for name in names:
        done = site.run("backup", name)
        assert done.returncode == 0, done.stderr
        assert site.server.password not in done.stdout + done.stderr
    for path in (*site.catalog.root.rglob("*"), *site.store.glob("backups/**/*.json")):
        assert path.is_dir() or site.server.password not in path.read_text(errors="replace")
    assert {backup.status for backup in site.backups()} == {Status.SUCCEEDED}
    return site.backups()


def test_a_command_gives_them_to_sessions_and_tools(tmp_path: Path, database: Database, tokens: Path) -> None:
    plans = {**PLANS, "app": {**PLANS["app"], "databases": [database.name]}}
    site = Site(
        folder=tmp_path / "site", server=database.server, plans=plans, server_settings=by_command(tokens)
    )
    assert site.run("check").returncode == 0
    assert len(succeeded(site, *plans)) == 3
    with Exporter(site.file) as exporter:
        exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 1.0)


@pytest.mark.parametrize("how", ["pgpass", "service", "service with pgpass"])
def test_libpqs_own_files_give_them_to_sessions_and_tools(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """As the account has them: below its home folder, and nothing in the configuration."""
    server, home = database.server, tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    settings: dict[str, Any] = {"password_file": None}
    if "service" in how:
        settings |= {"service": "shop", "host": None, "port": None, "user": None}
        words = "" if "pgpass" in how else f"password={server.password}\n"
        service = f"[shop]\nhost=127.0.0.1\nport={server.port}\nuser=postgres\ndbname=postgres\n{words}"
        (home / ".pg_service.conf").write_text(service)
    if "pgpass" in how:
        (home / ".pgpass").write_text(server.passfile.read_text())
        (home / ".pgpass").chmod(0o600)
    plans = {**PLANS, "app": {**PLANS["app"], "databases": [database.name]}}
    site = Site(folder=tmp_path / "site", server=server, plans=plans, server_settings=settings)
    assert len(succeeded(site, *plans)) == 3
    with Exporter(site.file) as exporter:
        exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 1.0)


def test_none_at_all_is_told_as_that(tmp_path: Path, pg17: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    site = Site(folder=tmp_path, server=pg17, plans=PLANS, server_settings={"password_file": None})
    done = site.run("backup", "all")
    assert "asks role postgres for a password, and none is configured. Set password_file" in done.stderr


def test_a_service_that_is_not_there_is_one_sentence(tmp_path: Path, pg17: Server) -> None:
    settings = {"service": "shed", "host": None, "port": None, "user": None, "password_file": None}
    site = Site(folder=tmp_path, server=pg17, plans=PLANS, server_settings=settings)
    done = site.run("check")
    assert "There is no service 'shed' in " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_command_that_fails_is_one_sentence(tmp_path: Path, pg17: Server) -> None:
    settings = {"password_file": None, "password_command": ["sh", "-c", "echo s3cret; exit 254"]}
    site = Site(folder=tmp_path, server=pg17, plans={"all": PLANS["all"]}, server_settings=settings)
    done = site.run("backup", "all")
    assert done.returncode != 0
    assert "The password command sh ended with exit status 254. Run it by hand" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr + codec.encode(site.newest()).decode()
    assert site.newest().message.startswith("The password command sh ended with exit status 254.")
    with Exporter(site.file) as exporter:
        exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 0.0)


@pytest.fixture
def receiver(private_server: Server) -> Iterator[Receiver]:
    made = Receiver(server=private_server)
    try:
        yield made
    finally:
        made.close()


def test_a_restarted_wal_receiver_asks_anew(receiver: Receiver) -> None:
    """The token of before is good no more, and the stream was cut."""
    token = receiver.folder / "token"
    token.write_text("first\n")
    receiver.server.execute("create role streamer login replication password 'first'")
    receiver.server.execute("grant pg_monitor to streamer")
    receiver.user, receiver.password_command = "streamer", ["cat", str(token)]
    receiver.start()
    receiver.streaming()
    token.write_text("second\n")
    receiver.server.execute("alter role streamer password 'second'")
    receiver.server.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'streamer'"
    )
    receiver.arrived(receiver.fill(2))
    assert receiver.streaming().gaps == ()
    receiver.stop()
    receiver.whole()
