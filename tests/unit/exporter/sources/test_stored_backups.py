"""Kept backups that are not where they were stored."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_exporter.snapshot import CATALOG, Settings, Snapshot
from pgbackstop_exporter.sources import disks, stored_backups
from pgbackstop_exporter.sources.catalog import CatalogSource
from tests.unit.exporter.builders import DAY, NOW, backup, catalog, config, physical
from tests.unit.exporter.filled import WELL
from tests.unit.exporter.pages_of import value, values

OLDER, NEWER, BASE = backup(NOW - DAY), backup(), physical()
GONE = backup(NOW - 2 * DAY, expired_at=NOW)
LOGICAL = PurePosixPath("backups/logical/main/shop")
PHYSICAL = PurePosixPath("backups/physical/main")


@pytest.fixture
def seen(tmp_path: Path) -> Snapshot:
    catalog(tmp_path, OLDER, NEWER, BASE, GONE)
    for place in (LOGICAL / OLDER.id, LOGICAL / NEWER.id, PHYSICAL / BASE.id):
        (tmp_path / place).mkdir(parents=True)
    plans = {
        "daily": {"server": "main", "backup_type": "logical"},
        "weekly": {"server": "main", "backup_type": "physical"},
    }
    return Snapshot(
        settings=Settings(config=config(tmp_path, plans=plans), seen_at=NOW.timestamp()),
        catalog=CatalogSource(tmp_path / "catalog").refresh(),
        health={CATALOG: WELL},
    )


def looked_at(seen: Snapshot, path: Path) -> Snapshot:
    kept = stored_backups.kept(seen, str(path))
    return replace(seen, disks={str(path): disks.read(str(path), kept)})


def test_what_is_kept_is_asked_for(seen: Snapshot, tmp_path: Path) -> None:
    assert stored_backups.kept(seen, str(tmp_path)) == {
        LOGICAL: frozenset({OLDER.id, NEWER.id}),
        PHYSICAL: frozenset({BASE.id}),
    }
    assert stored_backups.kept(seen, "/elsewhere") == {}


def test_all_is_there(seen: Snapshot, tmp_path: Path) -> None:
    assert looked_at(seen, tmp_path).missing == frozenset()


def test_what_is_gone_is_not_available(seen: Snapshot, tmp_path: Path) -> None:
    (tmp_path / LOGICAL / OLDER.id).rmdir()
    found = looked_at(seen, tmp_path)
    assert value(found, "backup_available", plan="daily") == 1
    assert value(found, "backup_missing", plan="daily") == 1
    assert value(found, "backup_missing", plan="weekly") == 0


def test_nothing_can_be_recovered_from_a_base_that_is_gone(seen: Snapshot, tmp_path: Path) -> None:
    assert value(looked_at(seen, tmp_path), "backup_earliest_recoverable_timestamp_seconds")
    (tmp_path / PHYSICAL / BASE.id).rmdir()
    found = looked_at(seen, tmp_path)
    assert value(found, "backup_missing", plan="weekly") == 1
    assert values(found, "backup_earliest_recoverable_timestamp_seconds") in ([], [0.0])


def test_a_whole_folder_that_is_gone(seen: Snapshot, tmp_path: Path) -> None:
    for each in (OLDER, NEWER):
        (tmp_path / LOGICAL / each.id).rmdir()
    (tmp_path / LOGICAL).rmdir()
    assert looked_at(seen, tmp_path).missing == {OLDER.id, NEWER.id}


def test_a_disk_that_is_not_mounted_says_nothing(seen: Snapshot, tmp_path: Path) -> None:
    (tmp_path / layout.STORAGE_MARK).unlink(missing_ok=True)
    kept = stored_backups.kept(seen, str(tmp_path))
    with pytest.raises(errors.CatalogError, match="is not there"):
        disks.look(seen.settings.config, str(tmp_path), kept)


def test_all_that_was_removed_from_one_that_is_there_is_gone(seen: Snapshot, tmp_path: Path) -> None:
    (tmp_path / layout.STORAGE_MARK).write_bytes(codec.encode(StorageMark.new("local")))
    (tmp_path / "backups").rename(tmp_path / "elsewhere")
    kept = stored_backups.kept(seen, str(tmp_path))
    found = disks.look(seen.settings.config, str(tmp_path), kept)
    assert found.missing == {OLDER.id, NEWER.id, BASE.id}


def test_what_may_not_be_read_says_nothing(
    seen: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> list[str]:
        raise PermissionError  # root, who may run this test, is refused nothing

    monkeypatch.setattr("os.listdir", refuse)
    assert stored_backups.missing(tmp_path, stored_backups.kept(seen, str(tmp_path))) == frozenset()
