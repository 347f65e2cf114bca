"""What makes an incremental backup impossible makes it a full one, with the reason on record (fault 23)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.support.backups import Site, plan, reached, until
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

INCREMENTAL = plan("physical", incremental={"enabled": True}, verify=False)


def fell_back(site: Site, why: str) -> Backup:
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    assert (made.method, made.parent) == ("full", None)
    assert why in made.fallback
    assert site.leftovers() == []
    return made


@pytest.fixture
def summarizing(make_server: MakeServer) -> Server:
    return make_server(settings={"summarize_wal": "on"})


def test_too_old(pg16: Server, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=pg16, plans={"p": INCREMENTAL})
    fell_back(site, "PostgreSQL 16 has no incremental backups")


def test_summaries_are_off(pg17: Server, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": INCREMENTAL})
    fell_back(site, "summarize_wal is off")


def test_summaries_are_gone(summarizing: Server, tmp_path: Path) -> None:
    """As wal_summary_keep_time removes them."""
    site = Site(folder=tmp_path, server=summarizing, plans={"p": INCREMENTAL})
    site.make("p")
    summarizing.execute("SELECT pg_switch_wal()")
    summarizing.execute("CHECKPOINT")
    folder = summarizing.data / "pg_wal" / "summaries"
    until(lambda: list(folder.glob("*.summary")), "a summary")
    summarizing.stop()
    for path in folder.glob("*.summary"):
        path.unlink()
    # Without its newest summary the summarizer would begin again at the oldest WAL: that goes too.
    summarizing.configure({"summarize_wal": "off"})
    summarizing.start()
    for _ in range(3):
        summarizing.execute("CREATE TABLE IF NOT EXISTS filler (n int); INSERT INTO filler VALUES (1)")
        summarizing.execute("SELECT pg_switch_wal()")
        summarizing.execute("CHECKPOINT")
    summarizing.stop()
    summarizing.configure({"summarize_wal": "on"})
    summarizing.start()
    fell_back(site, "an incremental backup was not possible: ")


def _without_manifest(site: Site, full: Backup) -> None:
    (site.path(full) / "backup_manifest").unlink()


def _foreign(site: Site, full: Backup) -> None:
    assert full.server_facts is not None
    site.catalog.put(full.evolve(server_facts=full.server_facts.evolve(system_identifier="1")))


def _unknown(site: Site, full: Backup) -> None:
    site.catalog.put(full.evolve(server_facts=None))


def _elsewhere(site: Site, full: Backup) -> None:
    site.catalog.put(full.evolve(storage="taken-away"))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_without_manifest, "has no backup_manifest"),
        (_foreign, "is of another server"),
        (_unknown, "does not say which server"),
        (_elsewhere, "in a storage that is not configured"),
    ],
)
def test_the_parent_is_unfit(
    summarizing: Server, tmp_path: Path, damage: Callable[[Site, Backup], None], why: str
) -> None:
    site = Site(folder=tmp_path, server=summarizing, plans={"p": INCREMENTAL})
    (full,) = site.make("p")
    damage(site, full)
    fell_back(site, why)


@pytest.mark.parametrize(
    ("moved", "server", "why"),
    [
        ({"server": "renamed"}, "renamed", "was made when the server was called main"),
        ({"storage": "roomy"}, "main", "is in another storage (local)"),
    ],
)
def test_nothing_is_built_on_what_a_recovery_does_not_find(
    summarizing: Server, tmp_path: Path, moved: dict[str, str], server: str, why: str
) -> None:
    """A server gets another name in the configuration, or its plan another storage."""
    roomy = {"kind": "folder", "path": str(tmp_path / "roomy"), "reserve": 0}
    site = Site(
        folder=tmp_path,
        server=summarizing,
        plans={"p": INCREMENTAL},
        more_servers={"renamed": reached(summarizing)},
        more_storages={"roomy": roomy},
    )
    site.make("p")
    site.plans = {"p": {**INCREMENTAL, **moved}}
    site.write()
    (made,) = site.make("p")
    assert (made.status, made.method) == (Status.SUCCEEDED, "full"), made.message
    assert why in made.fallback
    (second,) = site.make("p")
    assert second.parent == made.id
    planned = site.run("recover", server, "--into", str(tmp_path / "new"), "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert second.id in planned.stdout + planned.stderr


def test_the_chain_is_broken(summarizing: Server, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=summarizing, plans={"p": INCREMENTAL})
    (full,) = site.make("p")
    (second,) = site.make("p")
    assert second.parent == full.id
    site.catalog.remove(full)
    shutil.rmtree(site.path(full))
    fell_back(site, "the full backup under the newest one is gone")
