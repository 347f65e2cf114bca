"""Kept backups that are not where they were stored, or not as they were."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_exporter.snapshot import CATALOG, Settings, Snapshot
from pgbackstop_exporter.sources import disks, stored_backups
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.sources.stored_backups import StoredBackups
from tests.support.factories import DAY, NOW, catalog, config, daily, weekly
from tests.unit.exporter.filled import WELL
from tests.unit.exporter.pages_of import value, values

CONTENT = b"a dump"
FILE = StoredFile(path="data/dump.zst", size_bytes=len(CONTENT), sha256="0" * 64)
OLDER, NEWER = daily(NOW - DAY, files=(FILE,)), daily(files=(FILE,))
BASE = weekly(files=(FILE,))
GONE = daily(NOW - 2 * DAY, expired_at=NOW)
LOGICAL = PurePosixPath("backups/logical/main/shop")
PHYSICAL = PurePosixPath("backups/physical/main")


@pytest.fixture
def seen(tmp_path: Path) -> Snapshot:
    catalog(tmp_path, OLDER, NEWER, BASE, GONE)
    for place in (LOGICAL / OLDER.id, LOGICAL / NEWER.id, PHYSICAL / BASE.id):
        (tmp_path / place / "data").mkdir(parents=True)
        (tmp_path / place / FILE.path).write_bytes(CONTENT)
    plans = {
        "daily": {"server": "main", "backup_type": "logical"},
        "weekly": {"server": "main", "backup_type": "physical"},
    }
    return Snapshot(
        settings=Settings(config=config(tmp_path, plans=plans), seen_at=NOW.timestamp()),
        catalog=CatalogSource.of_folder(tmp_path / "catalog").refresh(),
        health={CATALOG: WELL},
    )


def looked_at(seen: Snapshot, path: Path) -> Snapshot:
    kept = stored_backups.kept(seen, str(path))
    stored = StoredBackups(path, path / "catalog")
    return replace(seen, disks={str(path): disks.read(str(path), stored, kept)})


def test_what_is_kept_is_asked_for(seen: Snapshot, tmp_path: Path) -> None:
    assert stored_backups.kept(seen, str(tmp_path)) == {
        LOGICAL: {OLDER.id: "daily", NEWER.id: "daily"},
        PHYSICAL: {BASE.id: "weekly"},
    }
    assert stored_backups.kept(seen, "/elsewhere") == {}


def test_all_is_there(seen: Snapshot, tmp_path: Path) -> None:
    assert looked_at(seen, tmp_path).missing == frozenset()


def test_what_is_gone_is_not_available(seen: Snapshot, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / LOGICAL / OLDER.id)
    found = looked_at(seen, tmp_path)
    assert value(found, "backup_available", plan="daily") == 1
    assert value(found, "backup_missing", plan="daily") == 1
    assert value(found, "backup_missing", plan="weekly") == 0


def test_nothing_can_be_recovered_from_a_base_that_is_gone(seen: Snapshot, tmp_path: Path) -> None:
    assert value(looked_at(seen, tmp_path), "backup_earliest_recoverable_timestamp_seconds")
    shutil.rmtree(tmp_path / PHYSICAL / BASE.id)
    found = looked_at(seen, tmp_path)
    assert value(found, "backup_missing", plan="weekly") == 1
    assert values(found, "backup_earliest_recoverable_timestamp_seconds") in ([], [0.0])


def test_a_whole_folder_that_is_gone(seen: Snapshot, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / LOGICAL)
    assert looked_at(seen, tmp_path).missing == {OLDER.id, NEWER.id}


def test_a_disk_that_is_not_mounted_says_nothing(seen: Snapshot, tmp_path: Path) -> None:
    (tmp_path / layout.STORAGE_MARK).unlink(missing_ok=True)
    kept = stored_backups.kept(seen, str(tmp_path))
    stored = StoredBackups(tmp_path, tmp_path / "catalog")
    with pytest.raises(errors.CatalogError, match="is not there"):
        disks.look(seen.settings.config, str(tmp_path), stored, kept)


def test_all_that_was_removed_from_one_that_is_there_is_gone(seen: Snapshot, tmp_path: Path) -> None:
    (tmp_path / layout.STORAGE_MARK).write_bytes(codec.encode(StorageMark.new("local")))
    (tmp_path / "backups").rename(tmp_path / "elsewhere")
    kept = stored_backups.kept(seen, str(tmp_path))
    stored = StoredBackups(tmp_path, tmp_path / "catalog")
    found = disks.look(seen.settings.config, str(tmp_path), stored, kept)
    assert found.missing == {OLDER.id, NEWER.id, BASE.id}


def test_a_new_storage_is_as_it_should_be(seen: Snapshot, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert looked_at(seen, fresh).missing == frozenset()


def test_a_backup_stays_where_it_was_stored_when_its_plan_moves(seen: Snapshot, tmp_path: Path) -> None:
    moved = daily(NOW - DAY / 2, storage="second")
    catalog(tmp_path, moved)
    seen = replace(seen, catalog=CatalogSource.of_folder(tmp_path / "catalog").refresh())
    assert moved.id not in stored_backups.kept(seen, str(tmp_path))[LOGICAL]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"more"], ids=["cut", "grown"])
def test_a_file_of_another_size_is_no_backup(seen: Snapshot, tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOGICAL / OLDER.id / FILE.path).write_bytes(content)
    found = looked_at(seen, tmp_path)
    assert value(found, "backup_available", plan="daily") == 1
    assert value(found, "backup_missing", plan="daily") == 1


def test_a_file_that_is_gone_while_its_folder_stays(seen: Snapshot, tmp_path: Path) -> None:
    (tmp_path / LOGICAL / NEWER.id / FILE.path).unlink()
    assert looked_at(seen, tmp_path).missing == {NEWER.id}


MANY = tuple(
    StoredFile(path=f"data/{number}.dat", size_bytes=number, sha256="0" * 64) for number in range(150)
)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (lambda _place, _listed: None, False),
        (lambda place, _listed: (place / "data/7.dat").unlink(), True),
        (lambda place, _listed: (place / "data/7.dat").write_bytes(b"cut"), True),
        (lambda place, _listed: (place / "data/7.dat").write_bytes(b"grown by more"), True),
        (lambda _place, listed: listed.unlink(), True),
        (lambda _place, listed: listed.write_bytes(listed.read_bytes()[:-100]), True),
        (lambda _place, listed: listed.write_bytes(listed.read_bytes().replace(b"0", b"1", 1)), True),
        (lambda _place, listed: listed.rename(listed.with_name("aside")) and listed.mkdir(), True),
        (lambda _place, listed: replace_by_pipe(listed), True),
    ],
    ids=["whole", "gone", "cut", "grown", "no list", "cut list", "changed list", "folder", "pipe"],
)
def test_a_list_beside_the_bytes_is_looked_at(
    seen: Snapshot, tmp_path: Path, damage: Callable[[Path, Path], object], wrong: bool
) -> None:
    made = OLDER.evolve(**file_list.on_record(OLDER, MANY))
    catalog(tmp_path, made)
    place = tmp_path / LOGICAL / made.id
    for each in MANY:
        (place / each.path).write_bytes(b"x" * each.size_bytes)
    listed = place / layout.CHECKSUMS_NAME
    listed.write_bytes(file_list.text(MANY))
    damage(place, listed)
    stored = StoredBackups(tmp_path, tmp_path / "catalog")
    wanted = stored_backups.kept(seen, str(tmp_path))
    found = [stored.missing(wanted) for _ in range(4)]
    assert found[-1] == ({made.id} if wrong else frozenset())


def test_what_was_put_back_counts_again(seen: Snapshot, tmp_path: Path) -> None:
    stored = StoredBackups(tmp_path, tmp_path / "catalog")
    wanted = stored_backups.kept(seen, str(tmp_path))
    file = tmp_path / LOGICAL / NEWER.id / FILE.path
    file.write_bytes(b"")
    assert stored.missing(wanted) == {NEWER.id}
    file.write_bytes(CONTENT)
    assert stored.missing(wanted) == frozenset()


def test_a_look_compares_no_more_files_than_it_may(
    seen: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_backups, "FILES_AT_ONCE", 1)
    wanted = stored_backups.kept(seen, str(tmp_path))
    for each in (OLDER, NEWER):
        (tmp_path / LOGICAL / each.id / FILE.path).unlink()
    stored = StoredBackups(tmp_path, tmp_path / "catalog")
    found = [len(stored.missing(wanted)) for _ in range(8)]
    assert found[0] < 2
    assert found[-1] == 2


def test_what_may_not_be_read_says_nothing(
    seen: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = stored_backups.kept(seen, str(tmp_path))

    def refuse(_path: Path, **_options: bool) -> None:
        raise PermissionError  # root, who may run this test, is refused nothing

    monkeypatch.setattr("os.listdir", refuse)
    monkeypatch.setattr("pathlib.Path.stat", refuse)
    assert StoredBackups(tmp_path, tmp_path / "catalog").missing(wanted) == frozenset()
