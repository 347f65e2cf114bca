"""A server of a provider: no superuser, no replication, no pg_authid, databases that let nobody in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.integration.exporter.running import Exporter
from tests.support.backups import Site, plan
from tests.support.servers import Server

pytestmark = pytest.mark.integration
THEIRS = ("azure_maintenance", "cloudsqladmin", "rdsadmin")


@pytest.fixture
def managed(private_server: Server) -> Iterator[Server]:
    """Two databases of a customer, whose role is all that there is."""
    server = private_server
    server.execute("create role customer login createdb createrole password 'secret'")
    for function in ("pg_control_system", "pg_control_checkpoint", "pg_control_init"):
        server.execute(f"revoke execute on function {function}() from public")
    for name in THEIRS:
        server.execute(f"create database {name}")
    for name in ("app", "shop"):
        server.execute(f"create database {name} owner customer")
        server.execute("set role customer; create table t as select generate_series(1, 10) a", name)
    hba = server.data / "pg_hba.conf"
    refused = "".join(f"host {name} customer 127.0.0.1/32 reject\n" for name in THEIRS)
    hba.write_text(refused + hba.read_text())
    server.execute("select pg_reload_conf()")
    server.password_file.write_text("secret\n")
    yield server
    server.password_file.write_text(server.password + "\n")


def test_a_logical_plan_without_a_word(managed: Server, tmp_path: Path) -> None:
    site = Site(
        folder=tmp_path,
        server=managed,
        plans={"daily": plan()},
        server_settings={"user": "customer", "maintenance_database": "app"},
    )
    checked = site.run("check", "daily")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    said = " ".join(checked.stdout.split())
    assert f"left out, as the provider's own: {', '.join(THEIRS)}" in said
    assert "passwords of roles are left out of the globals" in said
    done = site.run("backup", "daily")
    assert done.returncode == 0, done.stderr
    made = {each.database: each for each in site.backups()}
    assert set(made) == {"app", "shop", "postgres"}
    for each in made.values():
        assert each.status is Status.SUCCEEDED, each.message
        assert each.warnings == ()
        assert "customer" in (site.path(each) / "globals.sql").read_text()
        assert "PASSWORD" not in (site.path(each) / "globals.sql").read_text()
    assert made["app"].row_counts == {"public.t": 10}
    managed.execute("grant pg_signal_backend to customer")
    done = site.run("restore", made["app"].id, "--into", "app_again")
    assert done.returncode == 0, done.stderr
    assert managed.execute("select count(*) from t", "app_again") == [(10,)]
    with Exporter(site.file) as exporter:
        page = exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 1.0)
        assert "rdsadmin" not in page.text


def test_one_of_theirs_that_is_named_is_meant(managed: Server, tmp_path: Path) -> None:
    site = Site(
        folder=tmp_path,
        server=managed,
        plans={"daily": plan(databases=["rdsadmin"])},
        server_settings={"user": "customer"},
    )
    (backup,) = site.make("daily")
    assert backup.status is Status.FAILED
    assert "rdsadmin" in backup.message
