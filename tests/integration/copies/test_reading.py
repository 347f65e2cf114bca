"""A database comes back from the nearest copy that is whole, and says why it was that one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import files
from tests.integration.copies.conftest import place
from tests.integration.restore import places
from tests.integration.restore.test_damaged import flip
from tests.support import backups, keys
from tests.support.backups import Site
from tests.support.databases import Database


@dataclass(frozen=True)
class Copied:
    """A site with one good backup and its copies, and where what is fetched of those is kept."""

    site: Site
    backup: Backup
    fetched: Path

    def file(self) -> Path:
        """The local dump, or a file of it."""
        return max((self.site.path(self.backup) / each.path for each in self.backup.files), key=_size)

    def flip_copy(self, root: Path) -> None:
        """Turn a bit of the largest file of a copy in a folder."""
        flip(self.largest_of_copy(root))

    def largest_of_copy(self, root: Path) -> Path:
        """A file of a copy in a folder, and no record."""
        folder = root / (self.backup.location or "")
        return max((each for each in folder.rglob("*.backup*")), key=_size)


def _size(path: Path) -> int:
    return path.stat().st_size


def copied(folder: Path, database: Database, more: dict[str, dict[str, Any]], **plan: Any) -> Copied:
    """Back up, and copy into each of these storages."""
    fetched = folder / "room"
    fetched.mkdir()
    settings = {"databases": [database.name], "copies": list(more), **plan}
    site = Site(
        folder=folder,
        server=database.server,
        plans={"shop": backups.plan(**settings)},
        more_storages=more,
        more={"drill_folder": str(fetched)},
    )
    for name in more:
        identity.create(site.workspace, name)
    made = places.backup(site)
    copy_run.run(site.workspace, "shop")
    assert all(each.is_available for each in site.catalog.copies("shop"))
    return Copied(site=site, backup=made, fetched=fetched)


def folder_storage(path: Path, **settings: Any) -> dict[str, Any]:
    return {"kind": "folder", "path": str(path), "reserve": 0, **settings}


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flip, delete])
@pytest.mark.parametrize("kind", places.FORMATS)
def test_a_damaged_backup_comes_back_from_its_copy(
    kind: str, damage: Callable[[Path], None], database: Database, tmp_path: Path
) -> None:
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")}, format=kind)
    damage(found.file())
    before = database.row_counts()
    database.execute("delete from orders")
    done = places.restore(found.site)
    assert database.row_counts() == before
    assert (done.copy_in, done.source_reason) == ("other", "the nearest that can be read")
    assert done.warnings[0].startswith("local: ")
    assert "is damaged" in done.warnings[0]
    assert not list(found.fetched.iterdir())


@pytest.mark.parametrize("kind", ["s3", "encrypted", "encrypted-s3"])
def test_a_lost_backup_comes_back_from_its_bucket(
    kind: str, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    more = folder_storage(tmp_path / "remote")
    if kind.endswith("s3"):
        more = place(request.getfixturevalue("endpoint"), tmp_path, f"reading-{kind}").model_dump(mode="json")
    if kind.startswith("encrypted"):
        more["encryption"] = keys.generated(tmp_path / "keys").settings()
    found = copied(tmp_path, database, {"remote": more}, format="directory")
    shutil.rmtree(found.site.path(found.backup))
    before = database.row_counts()
    done = places.restore(found.site, into="again")
    assert done.copy_in == "remote"
    assert "is not there" in done.warnings[0]
    ((count,),) = database.server.execute("select count(*)::int from orders", "again")
    assert count == before["orders"]
    database.server.execute("drop database again with (force)")
    assert not list(found.fetched.iterdir())


def test_the_storage_that_is_asked_for_is_read(database: Database, tmp_path: Path) -> None:
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")})
    (tmp_path / "other").rename(tmp_path / "away")
    assert dict(places.lines(found.site))["bytes"] == "from local: the nearest"
    with pytest.raises(errors.PgbackstopError, match="other"):
        places.lines(found.site, storage="other")
    (tmp_path / "away").rename(tmp_path / "other")
    shutil.rmtree(found.site.path(found.backup))
    done = found.site.run("restore", "latest", "--storage", "other", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bytes"] == "from other: as asked for"
    assert "in other" in told["checked"]
    assert "not from" not in told
    for name, code in (("elsewhere", errors.NotFound), ("local", errors.PgbackstopError)):
        refused = found.site.run("restore", "latest", "--storage", name, "--dry-run")
        assert refused.returncode == code.exit_code, refused.stderr
        assert backups.sentence(refused)


def test_a_storage_that_holds_no_copy_says_which_do(database: Database, tmp_path: Path) -> None:
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")})
    for each in found.site.catalog.copies("shop"):
        found.site.catalog.put(each.evolve(expired_at=each.finished_at))
    with pytest.raises(errors.NotFound, match="holds no copy") as caught:
        places.lines(found.site, storage="other")
    assert "local" in caught.value.remedy


def test_the_next_copy_is_taken_where_the_nearest_is_damaged_too(
    database: Database, endpoint: str, tmp_path: Path
) -> None:
    bucket = place(endpoint, tmp_path, "reading-next").model_dump(mode="json")
    more = {"remote": bucket, "other": folder_storage(tmp_path / "other")}
    found = copied(tmp_path, database, more)
    flip(found.file())
    found.flip_copy(tmp_path / "other")
    told = places.lines(found.site)
    assert dict(told)["bytes"] == "from remote: the nearest that can be read"
    passed_over = [how for what, how in told if what == "not from"]
    assert [each.partition(":")[0] for each in passed_over] == ["local", "other"]
    assert all("damaged" in each for each in passed_over)


def test_where_none_is_whole_nothing_is_touched(database: Database, tmp_path: Path) -> None:
    nobody = {
        "kind": "s3",
        "bucket": "pgbackstop",
        "endpoint": "http://127.0.0.1:9",
        "allow_http": True,
    }
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")})
    (copy,) = found.site.catalog.copies("shop")
    found.site.catalog.put(copy.evolve(storage="remote"))  # beside the first
    site = Site(
        folder=tmp_path,
        server=database.server,
        plans=found.site.plans,
        more_storages={**found.site.more_storages, "remote": nobody},
        more=found.site.more,
    )
    flip(found.file())
    found.flip_copy(tmp_path / "other")
    there = places.databases(database.server)
    with pytest.raises(errors.PgbackstopError, match="can be read nowhere") as caught:
        places.restore(site)
    assert all(f"{name}: " in caught.value.problem for name in ("local", "other", "remote"))
    assert places.databases(database.server) == there
    assert places.restores(site) == []
    assert not list(found.fetched.iterdir())


def test_without_an_identity_a_copy_is_passed_over(database: Database, tmp_path: Path) -> None:
    own = keys.generated(tmp_path / "keys")
    sealed = folder_storage(tmp_path / "sealed", encryption=own.settings(reads=False))
    found = copied(tmp_path, database, {"sealed": sealed, "unsealed": folder_storage(tmp_path / "unsealed")})
    found.file().unlink()
    told = places.lines(found.site)
    assert dict(told)["bytes"].startswith("from unsealed:")
    assert any("identity" in how for what, how in told if what == "not from")
    with pytest.raises(errors.PgbackstopError, match="identity"):
        places.lines(found.site, storage="sealed")


def test_without_room_nothing_is_fetched(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")})
    monkeypatch.setattr(files, "free_bytes", lambda _folder: 10)
    with pytest.raises(AttemptFailed, match="10 B are free") as caught:
        places.lines(found.site, storage="other")
    assert caught.value.reason is Reason.SPACE
    assert "drill_folder" in caught.value.remedy
    assert not list(found.fetched.iterdir())


def test_what_a_killed_restore_fetched_goes_with_the_next_one(database: Database, tmp_path: Path) -> None:
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")})
    left = found.fetched / "pgbackstop-fetched-left"
    left.mkdir()
    (left / "dump").write_bytes(b"rows")
    somebodys = found.fetched / "notes"
    somebodys.mkdir()
    places.lines(found.site, storage="other")
    assert list(found.fetched.iterdir()) == [somebodys]


def test_a_backup_that_was_found_damaged_is_read_from_its_copy(database: Database, tmp_path: Path) -> None:
    found = copied(tmp_path, database, {"other": folder_storage(tmp_path / "other")})
    flip(found.file())
    assert found.site.run("verify", found.backup.id).returncode == errors.Corrupt.exit_code
    told = found.site.run("restore", found.backup.id, "--dry-run", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["bytes"].startswith("from other:")
    assert "found damaged" in json.loads(told.stdout)["not from"]
