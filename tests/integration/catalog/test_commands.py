"""The commands on a catalog in PostgreSQL."""

import json
from pathlib import Path

import pytest

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import listing
from pgbackstop_catalog.store import opened as opened_catalogs
from pgbackstop_catalog.store.postgres import connection
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.console import facts
from pgbackstop_runner.daemon import abandoned
from pgbackstop_runner.restore import undo
from tests.conformance.catalog import restore_of
from tests.support import factories, ports
from tests.support.backups import Site, plan, sentence, waiting_client
from tests.support.catalogs import keys, place_on
from tests.support.factories import DAY
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

pytestmark = pytest.mark.integration


def test_a_backup_is_made_listed_and_shown(site: Site) -> None:
    assert "There is no backup on record yet" in site.run("list").stdout
    done = site.run("backup", "fleet")
    assert done.returncode == 0, done.stderr
    (record,) = site.workspace.catalog.backups()
    assert record.status is Status.SUCCEEDED
    listed = site.run("list").stdout
    assert record.id in listed
    assert "available" in listed
    (whole,) = json.loads(site.run("list", "--json").stdout)
    assert whole["id"] == record.id
    assert "There is no such backup" in site.run("list", "--status", "failed").stdout
    shown = site.run("show", record.id[:10]).stdout
    assert f"{record.location}" in shown
    assert site.run("status").returncode == 0, site.run("status").stderr
    assert site.run("expire", "--dry-run").returncode == 0
    assert site.run("verify", record.id).returncode == 0
    assert {each.status for each in site.workspace.catalog.proofs()} == {Status.SUCCEEDED}


def test_the_console_pages_through_it(site: Site) -> None:
    now = utc_now().replace(microsecond=0)
    records = [factories.backup(number, now - number * DAY, plan="fleet") for number in range(5)]
    for each in records:
        site.workspace.catalog.put(each)
    opened = site.workspace
    page = facts.backups(opened, facts.Filter(plan="fleet"), limit=3)
    assert [each.id for each in page.shown] == [each.id for each in records[:3]]
    rest = facts.backups(opened, facts.Filter(plan="fleet", before=page.older), limit=3)
    assert [each.id for each in rest.shown] == [each.id for each in records[3:]]
    assert [each.id for each in facts.overview(opened, utc_now()).recent] == [each.id for each in records]
    assert facts.backup(opened, records[0].id).record == records[0]
    unusual = records[0].evolve(vanished=(), excluded_tables=("public.log",), message="left out")
    site.workspace.catalog.put(unusual)
    shown = facts.backups(opened, facts.Filter()).shown[0]
    assert (shown.excluded_tables, shown.message, shown.size_bytes) == (1, "left out", unusual.size_bytes)
    assert shown.finished_at == unusual.finished_at


def test_a_plan_of_another_host_is_not_taken_for_a_removed_one(site: Site) -> None:
    theirs = factories.backup(1, utc_now(), plan="theirs", server="far")
    ours = factories.backup(2, utc_now(), plan="renamed", server="main").evolve(storage=None, location=None)
    for record in (theirs, ours):
        site.workspace.catalog.put(record)
    refused = site.run("expire", "--removed-plan", "theirs", "--yes")
    assert refused.returncode == 2
    assert "the plan may be another host's" in refused.stderr
    assert site.workspace.catalog.backup(theirs.id).expired_at is None
    assert site.run("expire", "--removed-plan", "renamed", "--yes").returncode == 0
    assert site.workspace.catalog.backup(ours.id).expired_at is not None


def test_completion_offers_its_ids(site: Site) -> None:
    record = factories.backup(1, utc_now(), plan="fleet")
    site.workspace.catalog.put(record)
    offered = opened_catalogs.backup_list(site.workspace.config.catalog_place(), lambda _error: None)
    assert list(offered.ids()) == [record.id]
    stand = offered.stand()
    assert offered.stand() == stand
    site.workspace.catalog.put(record.evolve(message="changed"))
    assert offered.stand() != stand


def test_a_list_is_another_one_after_a_transaction_that_ends_late(site: Site) -> None:
    early, late = (factories.backup(n, utc_now(), plan="fleet") for n in (1, 2))
    catalog, place = site.workspace.catalog, site.workspace.config.catalog_place()
    catalog.put(early)
    offered = opened_catalogs.backup_list(place, lambda _error: None)
    with connection.opened(site.workspace.config.catalog_database) as slow, slow.transaction():  # type: ignore[arg-type]
        slow.execute("update pgbackstop.records set bytes = bytes where kind = 'backup'")
        catalog.put(late)  # by a transaction of a higher number
        stand = offered.stand()
    assert offered.stand() != stand


def test_the_check_asks_for_a_backup_of_it(site: Site) -> None:
    assert "catalog's database" not in site.run("config", "check").stderr
    site.plans["fleet"]["databases"] = ["postgres"]  # type: ignore[index]
    site.write()
    assert "No plan here backs up the catalog's database" in site.run("config", "check").stderr


def test_only_state_lies_on_the_disk(site: Site) -> None:
    site.run("backup", "fleet")
    state = site.store / "state"
    assert (state / listing.STATE_MARK).is_file()
    assert (state / "locks").is_dir()
    assert not (site.store / "catalog").exists()
    assert {each.name for each in state.iterdir()} <= {listing.STATE_MARK, "locks", "outbox", "state"}


def test_a_state_folder_that_is_not_there_is_not_made_on_the_way(site: Site) -> None:
    (site.store / "state" / listing.STATE_MARK).unlink()
    refused = site.run("backup", "fleet")
    assert refused.returncode == 5
    assert "or this host's state" in sentence(refused)
    assert site.run("storage", "create").returncode == 0
    assert site.run("backup", "fleet").returncode == 0


def test_records_come_back_from_the_bytes(site: Site) -> None:
    site.run("backup", "fleet")
    (record,) = site.workspace.catalog.backups()
    site.workspace.catalog.remove(record)
    assert site.run("catalog", "rebuild").returncode == 0
    assert list(site.workspace.catalog.backups()) == [record]


def test_a_run_without_its_catalog_begins_nothing(site: Site) -> None:
    site.more["catalog"]["postgres"]["port"] = ports.free()
    site.write()
    for words in (["backup", "fleet"], ["list"], ["show", "2026"], ["status"], ["expire"]):
        refused = site.run(*words)
        assert refused.returncode == 5, (words, refused.stderr)
        assert "does not answer" in sentence(refused)
    assert list(site.store.glob("backups/**/backup.json")) == []


def test_a_list_answers_on_the_day_when_another_key_is_wrong(site: Site) -> None:
    site.file.write_text(site.file.read_text() + "\nnonsense: 1\n")
    assert site.run("list").returncode == 0
    assert site.run("backup", "fleet").returncode == 2


def test_an_upgrade_is_a_command(site: Site) -> None:
    done = site.run("catalog", "upgrade")
    assert done.returncode == 0, done.stderr
    assert "nothing was to be done" in done.stdout
    with connection.opened(CatalogDatabase(**site.more["catalog"]["postgres"])) as opened:
        opened.execute("insert into pgbackstop.migrations (number, name) values (9000, 'of_tomorrow')")
    for words in (["catalog", "upgrade"], ["backup", "fleet"], ["list"]):
        refused = site.run(*words)
        assert refused.returncode == 5
        assert "made by a newer pgbackstop" in sentence(refused)


def test_a_host_leaves_what_runs_on_another_alone(site: Site) -> None:
    """It does not see that one's locks."""
    catalog = site.workspace.catalog
    running = factories.backup(
        1, utc_now(), plan="elsewhere", server="far", status=Status.RUNNING, finished_at=None, host="far"
    )
    own = running.evolve(id=factories.backup(2, utc_now()).id, plan="fleet", server="main")
    restored = restore_of(running, 3, server="far").evolve(status=Status.RUNNING, started_at=utc_now())
    for each in (running, own, restored):
        catalog.put(each)
    reconcile.everything(site.workspace)
    abandoned.close(site.workspace)
    undo.reconcile(site.workspace)
    assert catalog.backup(running.id).status is Status.RUNNING
    assert catalog.backup(own.id).status is Status.INTERRUPTED
    assert [each.status for each in catalog.restores()] == [Status.RUNNING]
    assert "not in the configuration" not in site.run("list").stdout


@pytest.mark.slow
def test_a_backup_whose_catalog_went_away_is_completed_by_the_next(
    pg17: Server, make_server: MakeServer, tmp_path: Path
) -> None:
    fleet = make_server(17)
    fleet.execute("create database fleet encoding 'UTF8' template template0")
    more = {"catalog": keys(place_on(fleet, "fleet"))}
    site = Site(folder=tmp_path, server=pg17, plans={"dumps": plan(databases=["postgres"])}, more=more)
    with site.start("backup", "dumps") as runner:
        dump = waiting_client(runner, "pg_dump")
        dump.suspend()
        fleet.stop()
        dump.resume()
        _, said = runner.communicate()
    assert runner.returncode == 5, said
    assert "does not answer" in said
    (mark,) = site.store.glob("backups/**/backup.json")
    fleet.start()
    (record,) = site.workspace.catalog.backups()
    assert record.status is Status.RUNNING
    assert site.run("backup", "dumps").returncode == 0
    assert [each.status for each in site.workspace.catalog.backups()] == [Status.SUCCEEDED] * 2
    assert site.workspace.catalog.backup(record.id) == codec.read(Backup, mark)
