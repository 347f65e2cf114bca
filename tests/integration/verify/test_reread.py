"""Stored backups are read again by the daemon: what rots is found and told, and nobody typed anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from tests.integration.drill.test_daemon import SELDOM, daemon
from tests.integration.exporter.running import Exporter
from tests.integration.verify import damage
from tests.support import backups
from tests.support.backups import Site
from tests.support.databases import Database
from tests.unit.runner.stub_alertmanager import StubAlertmanager, answering


@pytest.fixture
def alertmanager() -> Iterator[StubAlertmanager]:
    """Takes what is posted, and keeps it."""
    with answering() as server:
        yield server


def site_of(database: Database, folder: Path, catalog: Path | None = None, **more: object) -> Site:
    plan = backups.plan(databases=[database.name], schedule=SELDOM, verify=False, drill={"enabled": False})
    return Site(
        folder=folder, server=database.server, plans={"daily": plan}, catalog_folder=catalog, more=more
    )


def test_a_flipped_bit_is_found_and_told_and_nobody_typed_verify(
    database: Database, tmp_path: Path, alertmanager: StubAlertmanager
) -> None:
    site = site_of(
        database,
        tmp_path,
        verify={"schedule": "* * * * * *", "interval": "0s"},
        notifications={"alertmanager": {"url": alertmanager.url}},
    )
    (rotten,) = site.make("daily")
    (good,) = site.make("daily")
    (file,) = [each for each in rotten.files if each.path.endswith(".backup")]
    damage.flip(site.path(rotten) / file.path)

    def told() -> bool:
        return any(each["labels"]["alertname"] == "BackupDamaged" for each in alertmanager.received)

    with daemon(site):
        backups.until(told, "the news of a damaged backup")
        backups.until(lambda: site.catalog.backup(good.id).verified_at, "the other one, read as well")
    found = site.catalog.backup(rotten.id)
    assert (found.status, found.reason) == (Status.FAILED, Reason.CORRUPT)
    assert site.catalog.backup(good.id).is_available
    (alert,) = [each for each in alertmanager.received if each["labels"]["alertname"] == "BackupDamaged"]
    assert rotten.id in alert["annotations"]["summary"]
    assert alert["labels"]["severity"] == "critical"
    proof = next(each for each in site.proofs() if each.backup == rotten.id)
    assert (proof.proof, proof.trigger) == ("verify", "schedule")
    assert proof.scheduled_for is not None
    where = {"plan": "daily", "database": database.name}
    with Exporter(site.file) as exporter:
        page = exporter.until_page(lambda each: bool(each.values("backup_damaged")))
    assert page.value("backup_damaged", **where) == page.value("backup_available", **where) == 1.0
    read = site.catalog.backup(good.id).verified_at
    assert read is not None
    oldest = page.value("backup_oldest_verification_timestamp_seconds", **where)
    assert oldest == read.timestamp()


def test_by_hand_as_much_as_the_day_allows(database: Database, tmp_path: Path) -> None:
    site = site_of(database, tmp_path, verify={"bytes_per_day": 1})
    for _ in range(2):
        site.make("daily")
    first = site.run("verify", "--due")
    assert first.returncode == 0, first.stderr
    assert site.newest().id in first.stdout
    (proof,) = site.proofs()
    assert (proof.backup, proof.status) == (site.newest().id, Status.SUCCEEDED)
    assert proof.read_bytes == site.newest().size_bytes
    second = site.run("verify", "--due")
    assert second.returncode == 0, second.stderr
    assert "Nothing is due to be read now. 1 wait for another day's bytes" in second.stdout
    assert len(site.proofs()) == 1


def test_in_a_storage_that_is_away_nothing_is_read_and_nothing_condemned(
    database: Database, tmp_path: Path
) -> None:
    site = site_of(database, tmp_path, catalog=tmp_path / "catalog")
    (made,) = site.make("daily")
    site.store.rename(tmp_path / "away")
    site.store.mkdir()
    away = site.run("verify", "--due")
    assert away.returncode == 0, away.stderr
    assert "The storage local is not there" in away.stderr
    assert site.catalog.backup(made.id).is_available
    assert site.proofs() == []
    site.store.rmdir()
    (tmp_path / "away").rename(site.store)
    assert site.run("verify", "--due").returncode == 0
    assert site.catalog.backup(made.id).verified_at is not None


@pytest.mark.parametrize("words", [("daily",), ("--all",)])
def test_it_chooses_by_itself(database: Database, tmp_path: Path, words: tuple[str, ...]) -> None:
    refused = site_of(database, tmp_path).run("verify", "--due", *words)
    assert refused.returncode == 2
    assert "--due chooses by itself." in refused.stderr
