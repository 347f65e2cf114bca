"""Databases of one run side by side: each in a process of its own, and none costs another."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.backup import logical
from tests.support import databases
from tests.support.backups import Site, clients, gone, plan, until
from tests.support.databases import Database
from tests.support.servers import Server


@pytest.fixture
def shops(pg17: Server) -> Iterator[list[Database]]:
    made = [databases.clone(pg17) for _ in range(3)]
    yield made
    for each in made:
        each.drop()


def site_of(folder: Path, shops: list[Database], **settings: Any) -> Site:
    names = [each.name for each in shops]
    wanted = plan(databases=names, lock_timeout="10m", **settings)
    return Site(folder=folder, server=shops[0].server, plans={"p": wanted})


@contextmanager
def locked(shops: list[Database]) -> Iterator[Callable[[], None]]:
    """Tables that no dump can read until what is given is called, or the block ends."""
    with ExitStack() as opened:
        holders = [opened.enter_context(each.connect()) for each in shops]
        for each in holders:
            each.execute("begin; lock table orders in access exclusive mode")

        def release() -> None:
            for each in holders:
                each.execute("rollback")

        yield release


def running(site: Site) -> dict[str, Backup]:
    return {each.database: each for each in site.backups("p") if each.status is Status.RUNNING}


def dumping(pid: int) -> list[psutil.Process]:
    return [each for each in clients(pid) if each.name() == "pg_dump"]


def test_two_are_dumped_at_a_time_and_every_one_is_whole(tmp_path: Path, shops: list[Database]) -> None:
    site = site_of(tmp_path, shops)
    with locked(shops) as release, site.start("backup", "p") as runner:
        until(lambda: len(dumping(runner.pid)) == 2, "two dumps at a time")
        assert set(running(site)) == {shops[0].name, shops[1].name}
        release()
        said, _ = runner.communicate()
        assert runner.returncode == 0
    assert [line.split()[2] for line in said.splitlines()] == [f"{each.name}:" for each in shops]
    made = site.backups("p")
    assert {each.database for each in made} == {each.name for each in shops}
    assert len({each.id for each in made}) == 3
    assert {(each.status, each.run_databases) for each in made} == {(Status.SUCCEEDED, 3)}
    assert all((site.path(each) / "globals.sql").read_text().count("CREATE ROLE") for each in made)
    assert site.leftovers() == []


def test_a_killed_process_costs_its_database_only(tmp_path: Path, shops: list[Database]) -> None:
    site = site_of(tmp_path, shops)
    with locked(shops[:1]), site.start("backup", "p") as runner:
        until(lambda: len(site.backups("p")) == 3 and len(running(site)) == 1, "one dump that waits")
        (dump,) = dumping(runner.pid)
        worker = dump.parent()
        assert worker is not None
        assert worker.pid != runner.pid
        worker.kill()
        _, words = runner.communicate()
        assert runner.returncode == 1, words
    made = {each.database: each for each in site.backups("p")}
    assert made[shops[0].name].status is Status.INTERRUPTED
    assert "ended without a word" in made[shops[0].name].message
    assert [made[each.name].status for each in shops[1:]] == [Status.SUCCEEDED] * 2
    assert site.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_runner_ends_them_all(
    tmp_path: Path, shops: list[Database], number: signal.Signals
) -> None:
    site = site_of(tmp_path, shops)
    with locked(shops), site.start("backup", "p") as runner:
        until(lambda: len(dumping(runner.pid)) == 2, "two dumps at a time")
        family = psutil.Process(runner.pid).children(recursive=True)
        os.kill(runner.pid, number)
        runner.communicate()
        until(lambda: gone(family), "the end of all processes")
    made = site.backups("p")
    assert {each.status for each in made} == {Status.INTERRUPTED}
    assert site.leftovers() == []
    assert len(site.make("p")) == 3


def test_roles_are_dumped_once_as_long_as_none_is_new(
    tmp_path: Path, shops: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, original, calls = shops[0].server, logical._dump_roles, []

    def counted(*given: object, **more: object) -> StoredFile:
        stored: StoredFile = original(*given, **more)  # type: ignore[arg-type]
        calls.append(stored)
        if len(calls) == 1 and wanted:
            server.execute(f"create role {wanted}")
        return stored

    monkeypatch.setattr(logical, "_dump_roles", counted)
    site, wanted = site_of(tmp_path, shops, parallel_databases=1), ""
    assert all(each.status is Status.SUCCEEDED for each in site.make("p"))
    assert len(calls) == 1
    calls.clear()
    wanted = f"late_{os.getpid()}"
    try:
        first, *others = site.make("p")
    finally:
        server.execute(f"drop role if exists {wanted}")
    assert len(calls) == 2
    assert wanted not in (site.path(first) / "globals.sql").read_text()
    assert all(wanted in (site.path(each) / "globals.sql").read_text() for each in others)
