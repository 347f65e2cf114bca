"""Servers of several hosts: sessions and tools find the one to talk to, and follow a failover."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.postgres import sessions
from tests.integration.exporter.running import Exporter
from tests.support.backups import Site, plan
from tests.support.servers import Server
from tests.support.standbys import standby_of

pytestmark = pytest.mark.integration
PLANS = {"app": plan(format="directory", jobs=2), "server": plan("physical")}


def hosts(*servers: Server, wanted: str) -> dict[str, Any]:
    return {
        "host": ["127.0.0.1" for _ in servers],
        "port": [server.port for server in servers],
        "target_session_attrs": wanted,
    }


def came_from(site: Site, backup: Backup) -> str:
    """Which server a base backup was taken from, primary or standby, as PostgreSQL wrote into it."""
    (path,) = site.path(backup).glob("base.tar*")
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        member = next(each for each in archive if each.name == "backup_label")
        label = archive.extractfile(member)
        assert label is not None
        return label.read().decode().partition("BACKUP FROM: ")[2].split()[0]


def made(site: Site) -> list[Backup]:
    for name in site.plans:
        (backup,) = site.make(name)
        assert backup.status is Status.SUCCEEDED, backup.message
    return [site.newest(name) for name in site.plans]


def test_a_failover_is_followed(tmp_path: Path, private_server: Server) -> None:
    with standby_of(private_server) as standby:
        server = hosts(standby, private_server, wanted="primary")
        site = Site(folder=tmp_path, server=private_server, plans=PLANS, server_settings=server)
        with sessions.connect(site.workspace.server("main")) as session:
            assert session.info.port == private_server.port
        assert came_from(site, made(site)[1]) == "primary"
        private_server.stop()
        done = site.run("check", "app")
        assert "is what target_session_attrs asks for" in done.stdout + done.stderr
        assert f"127.0.0.1:{standby.port}, 127.0.0.1:{private_server.port}" in done.stdout + done.stderr
        assert standby.execute("select pg_promote()") == [(True,)]
        with Exporter(site.file) as exporter:
            exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 1.0)
        assert came_from(site, made(site)[1]) == "primary"


def test_a_standby_is_preferred(tmp_path: Path, private_server: Server) -> None:
    with standby_of(private_server) as standby:
        server = hosts(private_server, standby, wanted="prefer-standby")
        site = Site(folder=tmp_path, server=private_server, plans=PLANS, server_settings=server)
        with sessions.connect(site.workspace.server("main")) as session:
            assert session.info.port == standby.port
        assert came_from(site, made(site)[1]) == "standby"
        standby.stop()
        assert came_from(site, made(site)[1]) == "primary"
