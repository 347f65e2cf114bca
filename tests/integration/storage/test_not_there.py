"""A disk that is not mounted: nothing is written, judged or expired, and all is as before when it is back."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.store import layout
from tests.integration.exporter.running import Exporter
from tests.support import mounts
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.mounts import Disk
from tests.support.servers import Server

pytestmark = pytest.mark.root
NOT_THERE = errors.CatalogError.exit_code


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Disk]:
    with mounts.disk(tmp_path / "store") as made:
        yield made


def _plan(database: Database, **more: object) -> dict[str, object]:
    return {
        "server": "main",
        "backup_type": "logical",
        "databases": [database.name],
        "keep": {"last": 1, "minimum": 1},
        "drill": {"enabled": False},
        **more,
    }


@pytest.fixture
def site(store: Disk, tmp_path: Path, pg17: Server, database: Database) -> Site:
    """Backups on the disk, the catalog beside it."""
    return Site(
        folder=tmp_path, server=pg17, plans={"p": _plan(database)}, catalog_folder=tmp_path / "catalog"
    )


@pytest.fixture
def inside(store: Disk, tmp_path: Path, pg17: Server, database: Database) -> Site:
    """The catalog on the disk, too."""
    return Site(folder=tmp_path, server=pg17, plans={"p": _plan(database)})


def test_a_backup_goes_nowhere_else(site: Site, store: Disk) -> None:
    site.made("p")
    with store.away():
        done = site.run("backup", "p")
        assert done.returncode == NOT_THERE, done.stderr
        failed = site.newest()
        assert (failed.status, failed.reason) == (Status.FAILED, Reason.STORAGE)
        assert "The storage local is not there" in failed.message
        assert "pgbackstop storage create local" in failed.message
    site.made("p")


def test_nothing_of_it_expires(site: Site, store: Disk) -> None:
    first, second = site.made("p"), None
    site.plans = {"p": {**site.plans["p"], "keep": {"last": 2, "minimum": 1}}}
    site.write()
    second = site.made("p")
    site.plans = {"p": {**site.plans["p"], "keep": {"last": 1, "minimum": 1}}}
    site.write()
    with store.away():
        done = site.run("expire", "p")
        assert done.returncode == 1
        assert "The storage local is not there" in done.stderr
        assert "Nothing of it was judged." in done.stderr
        dry = site.run("expire", "p", "--dry-run")
        assert first.id not in dry.stdout
        assert [each.expired_at for each in site.backups()] == [None, None]
    assert site.run("expire", "p").returncode == 0
    assert {each.id: each.expired_at is None for each in site.backups()} == {first.id: False, second.id: True}


def test_it_is_not_called_corrupt(site: Site, store: Disk) -> None:
    site.made("p")
    with store.away():
        done = site.run("verify", "p")
        assert done.returncode not in {0, errors.Corrupt.exit_code}
        assert site.proofs()[0].reason is Reason.STORAGE
        assert site.newest().is_available
        assert site.run("restore", "--plan", "p", "--into", "elsewhere").returncode == NOT_THERE
    assert site.run("verify", "p").returncode == 0


def test_no_copy_is_made_or_given_up(site: Site, tmp_path: Path) -> None:
    with mounts.disk(tmp_path / "second") as second:
        _add_storage(site, "second", {"kind": "folder", "path": str(second.point)})
        assert site.run("storage", "create", "second").returncode == 0
        first = site.made("p")
        with second.away():
            site.made("p")  # the backup is good whatever becomes of its copy
            states = {each.backup: each.status for each in site.catalog.copies()}
            assert states[first.id] is Status.SUCCEEDED
            assert states[site.newest().id] is Status.FAILED
            copy = next(each for each in site.catalog.copies() if each.backup == first.id)
            assert copy.expired_at is None
            assert site.run("expire", "p").returncode == 1
        assert site.run("copy", "p").returncode == 0
        assert site.run("expire", "p").returncode == 0
        left = {path.parent.name for path in second.point.rglob(layout.RECORD_NAME)}
        assert left == {site.newest().id}


def test_no_second_catalog_is_begun(inside: Site, store: Disk) -> None:
    made = inside.made("p")
    with store.away():
        for command in (
            "backup p",
            "list",
            "expire",
            "verify",
            "copy",
            "daemon",
            "catalog rebuild",
            "show 2",
        ):
            done = inside.run(*command.split())
            assert (done.returncode, command) == (NOT_THERE, command)
            assert "The catalog is not there" in done.stderr
        assert inside.run("check").returncode == errors.ValidationError.exit_code
    assert inside.newest() == made
    assert inside.run("verify", "p").returncode == 0


def test_another_disk_is_not_taken_for_it(site: Site, store: Disk, tmp_path: Path) -> None:
    site.made("p")
    known = json.loads((store.point / layout.STORAGE_MARK).read_bytes())["id"]
    with mounts.disk(tmp_path / "other") as other:
        content = (store.point / layout.STORAGE_MARK).read_text().replace(known, "0" * 32)
        (other.point / layout.STORAGE_MARK).write_text(content)
        store.unmount()
        Disk(disk=other.disk, point=store.point).mount()
        done = site.run("backup", "p")
        assert done.returncode == NOT_THERE
        assert "0" * 32 in site.newest().message
        assert known in site.newest().message
        store.unmount()
        store.mount()
    site.made("p")


def test_one_is_made_by_a_command_alone(site: Site, store: Disk) -> None:
    site.made("p")
    assert site.run("storage", "create").returncode == 0  # there is nothing to be done
    listed = json.loads(site.run("storage", "list", "--json").stdout)
    assert [(each["name"], each["there"]) for each in listed] == [("local", True)]
    with store.away():
        assert site.run("storage", "list").returncode == 1
        refused = site.run("storage", "create", "local")
        assert refused.returncode == NOT_THERE
        assert "--replace" in refused.stderr
        assert site.run("storage", "create", "local", "--replace").returncode == errors.ConfigError.exit_code


def test_what_was_on_a_lost_disk_is_lost_and_not_corrupt(site: Site, store: Disk, tmp_path: Path) -> None:
    site.plans = {"p": {**site.plans["p"], "keep": {"last": 3, "minimum": 1}}}
    site.write()
    before = site.made("p")
    with mounts.disk(tmp_path / "other") as other:
        store.unmount()
        Disk(disk=other.disk, point=store.point).mount()
        assert site.run("storage", "create", "local", "--replace", "--yes").returncode == 0
        done = site.run("verify", before.id)
        assert done.returncode not in {0, errors.Corrupt.exit_code}
        assert f"Backup {before.id} is away with the storage" in done.stderr
        assert (site.proofs()[0].reason, site.newest()) == (Reason.STORAGE, before)
        refused = site.run("restore", "--plan", "p", "--into", "elsewhere")
        assert (refused.returncode, "is away with" in refused.stderr) == (NOT_THERE, True)
        after = site.made("p")
        assert site.run("verify", "p").returncode == 0
        shutil.rmtree(store.point / str(after.location))
        assert site.run("verify", after.id).returncode == errors.Corrupt.exit_code
        store.unmount()
        store.mount()
    assert site.run("storage", "create", "local", "--replace", "--yes").returncode == 0
    assert site.run("verify", before.id).returncode == 0  # the old disk is back


def test_copies_on_a_lost_disk_are_made_again(site: Site, tmp_path: Path) -> None:
    with mounts.disk(tmp_path / "second") as second, mounts.disk(tmp_path / "third") as third:
        _add_storage(site, "second", {"kind": "folder", "path": str(second.point)})
        assert site.run("storage", "create", "second").returncode == 0
        made = site.made("p")
        second.unmount()
        Disk(disk=third.disk, point=second.point).mount()
        assert site.run("storage", "create", "second", "--replace", "--yes").returncode == 0
        assert site.run("copy", "p").returncode == 0
        assert (second.point / str(made.location) / layout.RECORD_NAME).exists()
        second.unmount()
        second.mount()


def test_the_wal_of_a_storage_that_is_away_is_not_said_to_be_none(site: Site, store: Disk) -> None:
    site.server_settings = {"wal": {"enabled": True}}
    site.write()
    with store.away():
        done = site.run("wal", "status")
        assert (done.returncode, "main: The storage local is not there" in done.stdout) == (NOT_THERE, True)
        document = json.loads(site.run("wal", "status", "--json").stdout)
        assert "The storage local is not there" in document[0]["archive_problem"]
        assert site.run("window").returncode == NOT_THERE
    assert site.run("wal", "status").returncode == 0


def test_what_is_from_before_there_were_marks_is_marked_by_itself(inside: Site, store: Disk) -> None:
    inside.made("p")
    (store.point / layout.STORAGE_MARK).unlink()
    (inside.catalog.root / "catalog.json").unlink()
    (inside.catalog.root / "storages" / "local.json").unlink()
    with store.away():
        assert inside.run("backup", "p").returncode == NOT_THERE
    done = inside.run("backup", "p")
    assert done.returncode == 0, done.stderr
    assert "marked the storage" in done.stderr
    assert "marked the catalog" in done.stderr
    assert inside.run("storage", "list").returncode == 0


def test_the_exporter_says_so_and_calls_nothing_missing(site: Site, store: Disk) -> None:
    made = site.made("p")
    labels = {"plan": "p", "server": "main", "database": made.database, "backup_type": "logical"}
    disk = {"collector": f"disk:{store.point}"}
    with Exporter(site.file) as exporter:
        page = exporter.until_page(
            lambda page: page.value("disk_size_bytes", path=str(store.point)) is not None
        )
        size = page.value("disk_size_bytes", path=str(store.point))
        with store.away():
            page = exporter.until_page(lambda page: page.value("backup_collector_success", **disk) == 0.0)
            assert page.value("disk_size_bytes", path=str(store.point)) in {None, size}
            assert page.value("backup_missing", **labels) == 0.0
        exporter.until_page(lambda page: page.value("backup_collector_success", **disk) == 1.0)


def test_the_exporter_calls_what_was_given_up_neither_available_nor_missing(
    site: Site, store: Disk, tmp_path: Path
) -> None:
    site.plans = {"p": {**site.plans["p"], "keep": {"last": 3, "minimum": 1}}}
    site.write()
    made = site.made("p")
    labels = {"plan": "p", "server": "main", "database": made.database, "backup_type": "logical"}
    with mounts.disk(tmp_path / "other") as other:
        store.unmount()
        Disk(disk=other.disk, point=store.point).mount()
        assert site.run("storage", "create", "local", "--replace", "--yes").returncode == 0
        removed = site.made("p")
        with Exporter(site.file) as exporter:
            page = exporter.until_page(lambda page: page.value("backup_available", **labels) == 1.0)
            assert page.value("backup_missing", **labels) == 0.0
            shutil.rmtree(store.point / str(removed.location))
            exporter.until_page(lambda page: page.value("backup_missing", **labels) == 1.0)
        store.unmount()
        store.mount()


def _add_storage(site: Site, name: str, document: dict[str, object]) -> None:
    """A further storage, to which the plan's backups are copied."""
    site.plans = {"p": {**site.plans["p"], "copies": [name]}}
    site.more_storages = {name: document}
    site.write()
