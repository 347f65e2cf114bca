"""The runner is killed with SIGKILL at every step; the next start puts everything in order (fault 4)."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.backup import reconcile
from tests.support import install_postgres
from tests.support.backups import Site, environment, gone, plan, until, waiting_client
from tests.support.databases import Database
from tests.support.servers import Server

COMMIT = (
    ("before:commit", Status.INTERRUPTED),
    ("before:rename", Status.INTERRUPTED),
    ("after:rename", Status.INTERRUPTED),
    ("after:commit", Status.INTERRUPTED),
    ("before:commit mark", Status.INTERRUPTED),
    ("before:temporary of the commit mark", Status.INTERRUPTED),
    ("after:temporary of the commit mark", Status.SUCCEEDED),
    ("after:commit mark", Status.SUCCEEDED),
    ("before:success", Status.SUCCEEDED),
    ("after:success", Status.SUCCEEDED),
)
LOGICAL = (
    ("after:running record", Status.INTERRUPTED),
    ("before:validate", Status.INTERRUPTED),
    ("after:validate", Status.INTERRUPTED),
    ("before:dump", Status.INTERRUPTED),
    ("after:bytes", Status.INTERRUPTED),
    ("after:dump", Status.INTERRUPTED),
    ("after:count rows", Status.INTERRUPTED),
    ("after:globals", Status.INTERRUPTED),
    ("before:verify", Status.INTERRUPTED),
    ("before:examination", Status.SUCCEEDED),
    ("after:examination", Status.SUCCEEDED),
    ("before:verdict", Status.SUCCEEDED),
    ("after:verdict", Status.SUCCEEDED),
    *COMMIT,
)
PHYSICAL = (
    ("before:basebackup", Status.INTERRUPTED),
    ("after:basebackup", Status.INTERRUPTED),
    ("after:compress", Status.INTERRUPTED),
    ("after:hash", Status.INTERRUPTED),
    ("after:verify", Status.INTERRUPTED),
    ("before:read back", Status.SUCCEEDED),
    ("before:verdict", Status.SUCCEEDED),
    ("after:verdict", Status.SUCCEEDED),
    *COMMIT,
)


class Killer:
    """The process that kills its children; see tests/integration/backup/killer.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.backup.killer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=install_postgres.ROOT,
            env=environment(),
        )

    def kill(self, site: Site, plan_name: str, point: str) -> None:
        """Runs the plan and kills it at `point`, which must be reached."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{site.file}\t{plan_name}\t{point}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "-9\n"


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    started = Killer()
    with started.process:
        yield started
        started.process.kill()


def check_aftermath(site: Site, plan_name: str, expected: Status) -> None:
    """The next start closes what the dead one left, believes only what is complete, and works."""
    (dead,) = site.backups(plan_name)
    assert dead.status in {Status.RUNNING, expected}
    assert not site.state.is_held(reconcile.lock_name(plan_name))
    (alive,) = site.make(plan_name)
    assert alive.status is Status.SUCCEEDED, alive.message
    (closed,) = [each for each in site.backups(plan_name) if each.id == dead.id]
    assert closed.status is expected
    assert closed.finished_at is not None
    assert site.leftovers() == []
    assert Status.RUNNING not in {proof.status for proof in site.proofs()}
    assert sorted(path.name for path in site.store.glob(f"catalog/backups/{plan_name}/.*")) == []
    marks = {path.parent for path in site.store.glob("backups/**/backup.json")}
    assert marks == {site.path(each) for each in site.backups(plan_name) if each.is_available}
    for each in site.backups(plan_name):
        if each.is_available:
            check_complete(site, each)


def check_complete(site: Site, made: Backup) -> None:
    assert made.files
    for each in made.files:
        content = (site.path(made) / each.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each.sha256


@pytest.mark.parametrize(("point", "expected"), LOGICAL, ids=[point for point, _ in LOGICAL])
def test_logical(killer: Killer, pg17: Server, tmp_path: Path, point: str, expected: Status) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=["postgres"])})
    killer.kill(site, "p", point)
    check_aftermath(site, "p", expected)


@pytest.mark.parametrize(("point", "expected"), PHYSICAL, ids=[point for point, _ in PHYSICAL])
def test_physical(killer: Killer, pg17: Server, tmp_path: Path, point: str, expected: Status) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan("physical")})
    killer.kill(site, "p", point)
    check_aftermath(site, "p", expected)


def test_before_the_running_record_is_there(killer: Killer, pg17: Server, tmp_path: Path) -> None:
    """Killed inside the first write: nothing is on record, and what is left of the write is swept."""
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=["postgres"])})
    killer.kill(site, "p", "before:temporary of the running record")
    assert site.backups() == []
    assert len(list((site.catalog.root / "backups" / "p").iterdir())) == 1
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED
    assert [path.name for path in (site.catalog.root / "backups" / "p").iterdir()] == [f"{made.id}.json"]


def test_pg_dump_dies_with_the_runner(pg17: Server, database: Database, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"format": "directory", "lock_timeout": "10m", "databases": [database.name]}
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(**settings)})
    with database.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with site.start("backup", "p") as runner:
            family = [waiting_client(runner, "pg_dump")]
            family += family[0].children(recursive=True)
            runner.kill()
            runner.communicate()
        until(lambda: gone(family), "the death of pg_dump")
        holder.execute("ROLLBACK")
    check_aftermath(site, "p", Status.INTERRUPTED)


def test_pg_basebackup_dies_with_the_runner(pg17: Server, tmp_path: Path) -> None:
    slow = plan("physical", max_rate="64kB")
    site = Site(folder=tmp_path, server=pg17, plans={"p": slow})
    with site.start("backup", "p") as runner:
        leader = waiting_client(runner, "pg_basebackup")
        until(leader.children, "its child that streams the WAL")
        until(lambda: list(site.store.glob("backups/**/base.tar*")), "bytes of the backup")
        family = [leader, *leader.children(recursive=True)]
        runner.kill()
        runner.communicate()
    until(lambda: gone(family), "the death of pg_basebackup")
    site.plans = {"p": plan("physical")}
    site.write()
    check_aftermath(site, "p", Status.INTERRUPTED)
