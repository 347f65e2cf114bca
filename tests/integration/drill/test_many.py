"""Drills of many plans: one that cannot be made keeps no other from it, and each is told of."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.drill import run, selection
from tests.integration.drill.conftest import drills, remains
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server


@contextmanager
def two_plans(database: Database) -> Iterator[Site]:
    """Plan ``daily`` has a good backup; plan ``absent``, which comes first, has none."""
    folder = places.make()
    plans = {name: backups.plan(databases=[database.name]) for name in ("absent", "daily")}
    site = Site(folder=folder / "site", server=database.server, plans=plans)
    site.make("daily")
    yield site
    places.remove(folder)


def test_a_plan_without_a_backup_keeps_no_other_from_its_drill(database: Database) -> None:
    with two_plans(database) as site:
        done = site.run("drill")
        assert done.returncode == 0, done.stderr
        assert "not drilled: absent: Plan absent has no good backup to drill with." in backups.sentence(done)
        (proof,) = drills(site)
        assert (proof.plan, proof.status) == ("daily", Status.SUCCEEDED)
        # The same with the server's name: then somebody asked for each of its plans.
        done = site.run("drill", "main", "--json")
        assert done.returncode == 3
        assert "not drilled: absent" in backups.sentence(done)
        assert [each["plan"] for each in json.loads(done.stdout)] == ["daily"]


def test_nothing_to_drill_at_all_is_no_success(database: Database) -> None:
    folder = places.make()
    site = Site(folder=folder / "site", server=database.server, plans={"daily": backups.plan()})
    done = site.run("drill")
    assert done.returncode == 3
    assert "Nothing was drilled" in backups.sentence(done)
    places.remove(folder)


def test_a_plan_that_is_being_drilled_keeps_no_other_from_it(database: Database) -> None:
    with two_plans(database) as site:
        site.make("absent")
        with site.state.held(run.lock_name("absent"), "a drill"):
            done = site.run("drill")
        assert done.returncode == 4
        assert "not drilled: absent: A drill of plan absent is already running" in backups.sentence(done)
        (proof,) = drills(site)
        assert (proof.plan, proof.status) == ("daily", Status.SUCCEEDED)


def test_the_worst_decides_the_exit_code(database: Database) -> None:
    """One plan is busy, and the backup of the other is damaged."""
    with two_plans(database) as site:
        (site.path(site.newest("daily")) / "globals.sql").unlink()
        site.make("absent")
        with site.state.held(run.lock_name("absent"), "a drill"):
            done = site.run("drill")
        assert done.returncode == 1
        assert "already running" in backups.sentence(done)
        assert "globals.sql" in backups.sentence(done)


def test_a_plan_whose_backups_are_all_damaged_leaves_a_failed_record(site: Site) -> None:
    backup = site.newest()
    for path in site.path(backup).glob("*.backup"):
        path.write_bytes(b"")
    assert site.run("verify").returncode == 8
    done = site.run("drill")
    assert done.returncode == 3
    assert "Plan daily has no good backup to drill with" in backups.sentence(done)
    (proof,) = drills(site)
    assert (proof.status, proof.reason, proof.backup) == (Status.FAILED, Reason.INCOMPLETE, backup.id)
    assert not remains(site)


def physical(server: Server) -> Site:
    """A base backup of a server whose WAL is to be archived, and is not yet."""
    site = Site(
        folder=places.make() / "site",
        server=server,
        plans={"base": backups.plan("physical")},
        server_settings={"wal": {}},
    )
    site.make("base")
    return site


def hide_archive(site: Site) -> None:
    """What stands where the archive's identity must be cannot be read."""
    (site.workspace.wal_archive("main") / wal_segments.IDENTITY_NAME).mkdir(parents=True)


def test_an_archive_that_cannot_be_read_leaves_failed_records(make_server: MakeServer) -> None:
    site = physical(make_server())
    hide_archive(site)
    done = site.run("drill", "base")
    assert done.returncode == 5
    assert backups.sentence(done).count("The WAL archive cannot be read") == 2
    assert {(proof.drill, proof.status, proof.reason, proof.backup) for proof in drills(site)} == {
        (kind, Status.FAILED, Reason.STORAGE, site.newest().id) for kind in ("physical", "pitr")
    }
    places.remove(site.folder.parent)


def test_a_finished_drill_is_not_lost_where_the_next_kind_cannot_be_chosen(make_server: MakeServer) -> None:
    """The archive's disk goes away in between."""
    site = physical(make_server())
    results = run.run(site.workspace, "base", selection.DrillRequest())
    good = next(results)
    assert good.proof is not None
    assert (good.proof.drill, good.proof.status) == ("physical", Status.SUCCEEDED), good.error
    hide_archive(site)
    (bad,) = results
    assert isinstance(bad.error, errors.CatalogError)
    assert bad.proof is not None
    assert (bad.proof.drill, bad.proof.status) == ("pitr", Status.FAILED)
    assert [proof.id for proof in drills(site)] == [bad.proof.id, good.proof.id]
    places.remove(site.folder.parent)
