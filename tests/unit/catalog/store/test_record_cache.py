"""A folder of records: what changed is read, what did not is not, and what is no record is named."""

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.decisions.attempts import Attempt
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import listing, packed_records
from pgbackstop_catalog.store.record_cache import RecordCache
from tests.support.factories import NOW, catalog, daily

LONG_AGO = 1_000_000_000 * 10**9
YOUNG = 4_000_000_000 * 10**9


def shelf(folder: Path) -> RecordCache[Backup, Attempt]:
    return RecordCache(folder / "catalog" / "backups" / "daily", packed_records.Attempts())


def settle(folder: Path) -> None:
    """Make the folder's last change an old one: a young one is looked at again, whatever its time."""
    os.utime(folder, ns=(LONG_AGO, LONG_AGO))


def test_a_folder_that_did_not_change_is_not_read(tmp_path: Path) -> None:
    path = catalog(tmp_path, daily()).path(daily()).parent
    found = shelf(tmp_path)
    settle(path)
    assert found.refresh()
    assert not found.refresh()
    (path / "20261122T020000Z-abcdef.json").write_text("garbage")
    settle(path)
    assert not found.refresh()
    assert found.refresh(thorough=True)


def test_a_young_change_is_looked_at_again(tmp_path: Path) -> None:
    records = catalog(tmp_path, daily())
    found = shelf(tmp_path)
    assert found.refresh()
    assert not found.refresh()
    records.put(daily())
    assert found.refresh()
    assert len(list(found.digests())) == 2


def test_a_folder_settles_after_a_young_change_that_left_only_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = catalog(tmp_path, daily(), removed := daily())
    path = records.path(removed).parent
    found = shelf(tmp_path)
    monkeypatch.setattr(listing, "is_young", lambda changed_ns: changed_ns == YOUNG)
    assert found.refresh(thorough=True)
    records.remove(removed)
    os.utime(path, ns=(YOUNG, YOUNG))
    assert found.refresh(thorough=True)
    assert not found.is_settled()
    settle(path)
    assert not found.refresh(thorough=True)
    assert found.is_settled()


def test_a_final_record_is_read_again_only_when_looked_at_thoroughly(tmp_path: Path) -> None:
    record = daily(status=Status.FAILED)
    records = catalog(tmp_path, record)
    found = shelf(tmp_path)
    found.refresh()
    records.put(record.evolve(finished_at=NOW + timedelta(hours=1)))
    assert not found.refresh()
    assert found.refresh(thorough=True)
    assert next(found.digests()).finished == NOW.timestamp() + 3600


def test_a_kept_backup_that_expires_and_one_that_is_removed_are_seen(tmp_path: Path) -> None:
    record = daily()
    records = catalog(tmp_path, record)
    found = shelf(tmp_path)
    found.refresh()
    records.put(record.evolve(expired_at=NOW))
    assert found.refresh()
    assert next(found.digests()).expired
    records.remove(record)
    assert found.refresh()
    assert list(found.digests()) == []


def _unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_text("{"), "is no record"),
        (lambda path: path.write_text('{"record_version": 2}'), "newer pgbackstop"),
        (lambda path: path.rename(path.with_name("20200101T000000Z-aaaaaa.json")), "holds the record"),
        (_unreadable, "it is a folder"),
    ],
    ids=["garbage", "newer", "misplaced", "folder"],
)
def test_what_is_no_record_is_a_problem_until_it_changes(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    good, bad = daily(), daily()
    records = catalog(tmp_path, good, bad)
    spoil(records.path(bad))
    found = shelf(tmp_path)
    assert found.refresh()
    assert [each.id for each in found.digests()] == [good.id]
    assert [words in str(problem) for problem in found.problems.values()] == [True]
    assert not found.refresh()
    for path in records.path(good).parent.glob("*"):
        if path != records.path(good):
            path.rmdir() if path.is_dir() else path.unlink()
    records.put(bad)
    assert found.refresh()
    assert found.problems == {}
    assert len(list(found.digests())) == 2


def test_a_record_that_is_mended_is_read(tmp_path: Path) -> None:
    record = daily()
    records = catalog(tmp_path, record)
    records.path(record).write_text("{")
    found = shelf(tmp_path)
    found.refresh()
    assert found.problems
    records.put(record)
    assert found.refresh()
    assert not found.problems


def test_other_files_are_none_of_ours(tmp_path: Path) -> None:
    record = daily()
    parent = catalog(tmp_path, record).path(record).parent
    for name in (".20261122T020000Z-aaaaaa.json.1.tmp", ".hidden.json", "notes.txt"):
        (parent / name).write_text("x")
    found = shelf(tmp_path)
    found.refresh()
    assert found.problems == {}


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "catalog" / "backups").mkdir(parents=True)
    (tmp_path / "catalog" / "backups" / "daily").write_text("a file")
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        shelf(tmp_path).refresh()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        RecordCache(loop, packed_records.Attempts()).refresh()


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    found = shelf(tmp_path)
    assert not found.refresh()
    assert list(found.digests()) == []


def test_a_record_that_could_not_be_opened_once_is_tried_again_though_it_looks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = catalog(tmp_path, daily())
    monkeypatch.setattr(listing, "is_young", lambda _changed_ns: False)
    opened = regular_file.descriptor

    def without_descriptors(_path: str) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    found = shelf(tmp_path)
    monkeypatch.setattr(regular_file, "descriptor", without_descriptors)
    found.refresh(thorough=True)
    assert list(found.digests()) == []
    assert found.problems
    monkeypatch.setattr(regular_file, "descriptor", opened)
    assert found.refresh(thorough=True)
    assert len(list(found.digests())) == len(list(records.backups()))
    assert not found.problems
