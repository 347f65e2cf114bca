"""Logical drills: real dumps into real throw-away servers."""

import json
import os
import subprocess

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from tests.integration.drill.conftest import backed_up, drills, remains
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database


def test_a_good_dump_is_proven(edge: Site) -> None:
    done = edge.run("drill", "daily")
    assert done.returncode == 0, done.stderr
    assert "within the 2h00m of rto_target" in done.stdout
    (proof,) = drills(edge)
    backup = edge.newest()
    assert (proof.status, proof.drill, proof.backup) == (Status.SUCCEEDED, "logical", backup.id)
    assert proof.proven_until == backup.started_at
    assert proof.duration_seconds is not None
    assert sum(step.duration_seconds for step in proof.steps) <= proof.duration_seconds
    assert [step.name for step in proof.steps] == [
        *("read", "initdb", "start", "check", "roles", "create", "restore", "analyze", "validate")
    ]
    assert {check.name for check in proof.checks} == {
        *("rows", "indexes", "constraints", "sequences", "extensions", "collation")
    }
    assert all(check.ok for check in proof.checks)
    assert not list(edge.catalog.restores())
    assert not remains(edge)


def test_roles_of_the_server_are_restored_too(database: Database) -> None:
    folder = places.make()
    server = database.server
    server.execute("create role drill_owner login password 'not for the log'")
    server.execute("create role drill_member")
    server.execute("grant drill_owner to drill_member")
    try:
        database.execute("create table owned (n int)")
        database.execute("alter table owned owner to drill_owner")
        assertion = "select pg_has_role('drill_member', 'drill_owner', 'member')"
        site = backed_up(
            database, folder / "site", assertions=[{"name": "the member is one", "sql": assertion}]
        )
        done = site.run("drill", "daily", "--json")
        assert done.returncode == 0, done.stderr
        (proof,) = json.loads(done.stdout)
        assert {"name": "the member is one", "ok": True, "detail": "true"} in proof["checks"]
        assert "not for the log" not in done.stderr + done.stdout
    finally:
        database.execute("drop table owned")
        server.execute("drop role drill_member, drill_owner")
        places.remove(folder)


def test_a_flipped_byte_is_named(site: Site) -> None:
    backup = site.newest()
    dump = next(path for path in site.path(backup).iterdir() if path.suffix == ".backup")
    content = bytearray(dump.read_bytes())
    content[len(content) // 2] ^= 1
    dump.write_bytes(content)
    done = site.run("drill", "daily")
    assert done.returncode == 1
    assert f"Backup {backup.id} is damaged: the content of {dump.name}" in backups.sentence(done)
    (proof,) = drills(site)
    assert (proof.status, proof.reason) == (Status.FAILED, Reason.CORRUPT)
    assert backup.id in proof.message
    assert proof.proven_until is None
    assert not remains(site)


def test_globals_that_are_gone_are_named(site: Site) -> None:
    (site.path(site.newest()) / "globals.sql").unlink()
    assert site.run("drill", "daily").returncode == 1
    (proof,) = drills(site)
    assert proof.reason is Reason.CORRUPT
    assert "globals.sql" in proof.message


def test_what_the_plan_asserts_must_be_true(database: Database) -> None:
    folder = places.make()
    wrong = {"name": "there are a million orders", "sql": "select count(*) > 1000000 from orders"}
    site = backed_up(database, folder / "site", assertions=[wrong])
    assert site.run("drill", "daily").returncode == 1
    (proof,) = drills(site)
    assert proof.status is Status.FAILED
    assert "there are a million orders" in proof.message
    assert [check.name for check in proof.checks if not check.ok] == ["there are a million orders"]
    assert not remains(site)
    places.remove(folder)


def test_rows_that_are_missing_are_counted(site: Site) -> None:
    """The record says more than the dump has, as if pg_dump had lost rows."""
    backup = site.newest()
    assert backup.row_counts is not None
    table = min(backup.row_counts)
    more = {**backup.row_counts, table: backup.row_counts[table] + 1}
    site.catalog.put(backup.evolve(row_counts=more))
    assert site.run("drill", "daily").returncode == 1
    (proof,) = drills(site)
    assert f"{table} has {more[table] - 1} instead of {more[table]}" in proof.message


def test_an_extension_that_is_not_installed_here(database: Database) -> None:
    """It is, and its control file is then taken from a copy of the programs that the drill uses."""
    folder = places.make()
    site = backed_up(database, folder / "site")
    programs = database.server.programs.folder.parent
    copy = folder / "pg"
    subprocess.run(["cp", "-r", str(programs), str(copy)], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
    for control in copy.rglob("plpgsql.control"):
        control.rename(control.with_suffix(".away"))
    assert database.server.execute("select 1")
    plain = Site(
        folder=site.folder,
        server=site.server,
        plans=site.plans,
        server_settings={"bin_dir": str(copy / "bin")},
    )
    done = plain.run("drill", "daily")
    assert done.returncode != 0
    (proof,) = drills(site)
    assert proof.status is Status.FAILED
    assert "plpgsql" in proof.message
    assert not remains(site)
    places.remove(folder)


def test_server_programs_that_are_not_installed(site: Site) -> None:
    """A host with client tools alone, as many backup hosts are."""
    clients = site.folder / "clients"
    clients.mkdir()
    for name in ("pg_dump", "pg_dumpall", "pg_restore", "psql"):
        (clients / name).symlink_to(site.server.programs.tool(name))
    there = Site(
        folder=site.folder,
        server=site.server,
        plans=site.plans,
        server_settings={"bin_dir": str(clients)},
    )
    done = there.run("drill", "daily")
    assert done.returncode == 2
    assert "Install postgresql-17 on this host" in backups.sentence(done)
    (proof,) = drills(site)
    assert proof.reason is Reason.CLIENT
    checked = there.run("check", "daily")
    assert checked.returncode == 0
    assert "postgresql-17" in checked.stdout


@pytest.mark.root
def test_a_link_in_the_folder_of_the_throw_away_server_leads_nowhere(site: Site) -> None:
    """That folder is the account's that runs the server, and we are root."""
    kept = site.folder / "kept"
    kept.write_text("ours")
    open_to_all = places.make()
    copy = open_to_all / "pg"
    subprocess.run(["cp", "-r", str(site.server.programs.folder.parent), str(copy)], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
    real = (copy / "bin" / "initdb").rename(copy / "bin" / "initdb.real")
    link = f'ln -sf {kept} "${{1#--pgdata=}}/postgresql.auto.conf"'
    (copy / "bin" / "initdb").write_text(f'#!/bin/sh\n{real} "$@" && {link}\n')
    (copy / "bin" / "initdb").chmod(0o755)
    settings = {"bin_dir": str(copy / "bin")}
    there = Site(folder=site.folder, server=site.server, plans=site.plans, server_settings=settings)
    done = there.run("drill", "daily")
    assert "event=initdb" in done.stderr
    assert kept.read_text() == "ours"
    assert kept.stat().st_uid == os.geteuid()
    places.remove(open_to_all)


def test_a_disk_that_is_too_small(site: Site) -> None:
    backup = site.newest()
    site.catalog.put(backup.evolve(source_size_bytes=10**18))
    done = site.run("drill", "daily")
    assert done.returncode == 3
    assert "is too small for the drill" in backups.sentence(done)
    (proof,) = drills(site)
    assert proof.reason is Reason.SPACE
    assert not remains(site)


def test_one_drill_of_a_plan_at_a_time(site: Site) -> None:
    from pgbackstop_runner.drill import run  # noqa: PLC0415

    with site.state.held(run.lock_name("daily"), "a drill"):
        done = site.run("drill", "daily")
    assert done.returncode == 4
    assert "already running" in done.stderr
    assert not drills(site)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("drill", "nothing"), 7),
        (("drill", "daily", "--pitr"), 2),
        (("drill", "daily", "--logical", "--physical"), 2),
        (("drill", "daily", "--database", "nothing"), 7),
        (("drill", "daily", "--time", "yesterday"), 2),
    ],
)
def test_what_cannot_be_meant(site: Site, words: tuple[str, ...], code: int) -> None:
    done = site.run(*words)
    assert (done.returncode, drills(site)) == (code, [])
    assert backups.sentence(done)


def test_a_plan_without_a_backup(database: Database) -> None:
    folder = places.make()
    site = Site(folder=folder / "site", server=database.server, plans={"daily": backups.plan()})
    done = site.run("drill", "daily")
    assert done.returncode == 3
    assert "has no good backup to drill with" in backups.sentence(done)
    places.remove(folder)


def test_a_drill_of_the_database_that_every_server_has(database: Database) -> None:
    """CREATE DATABASE postgres would fail: it is restored under a name that is free."""
    folder = places.make()
    plans = {"daily": backups.plan(databases=["postgres"])}
    site = Site(folder=folder / "site", server=database.server, plans=plans)
    site.make("daily")
    done = site.run("drill", "main")
    assert done.returncode == 0, done.stderr
    places.remove(folder)


def test_a_folder_that_the_server_cannot_enter_is_said(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root steps down to somebody who may not enter its folders")
    closed = site.folder / "closed"
    closed.mkdir(mode=0o700)
    text = site.file.read_text()
    site.file.write_text(f"{text}\ndrill_folder: {closed}/drills\n")
    done = site.run("drill", "daily")
    assert done.returncode == 1
    assert "Set drill_folder to a folder that it can enter" in backups.sentence(done)
    (proof,) = drills(site)
    assert proof.status is Status.FAILED
    assert list(closed.iterdir()) == []
