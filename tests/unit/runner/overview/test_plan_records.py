"""What an overview reads of records: all that changed, however it was written, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import listing
from pgbackstop_runner import workspace
from pgbackstop_runner.overview import plan_records, read
from pgbackstop_runner.overview.plan_records import PlanRecords
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, storages
from tests.support.factories import DAY, NOW, copy_of, proof_of

PLAN = "main-logical"


@pytest.fixture
def heard() -> list[errors.CatalogError]:
    return []


@pytest.fixture
def opened(tmp_path: Path, heard: list[errors.CatalogError]) -> Workspace:
    file = tmp_path / "pgbackstop.yaml"
    document = {
        "servers": {"main": {"wal": {"enabled": False}}},
        "plans": {PLAN: {"server": "main", "backup_type": "logical", "databases": ["shop"]}},
        "storages": {"disk": {"kind": "folder", "path": str(tmp_path / "disk")}},
    }
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    return workspace.open_workspace(file, on_invalid_record=heard.append)


def look(opened: Workspace) -> PlanRecords:
    return dict(plan_records.read(opened))[PLAN]


def available(opened: Workspace) -> list[str]:
    return sorted(each.id for each in look(opened).kept.get("shop", ()))


def path_of(opened: Workspace, record: Backup) -> Path:
    return opened.config.catalog_folder() / "backups" / record.plan / f"{record.id}.json"


def in_its_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def by_rename(path: Path, content: bytes) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


@pytest.mark.parametrize("write", [in_its_place, by_rename])
@pytest.mark.parametrize("is_young", [True, False], ids=["young", "settled"])
def test_a_record_that_is_written_anew_with_its_old_time(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None], is_young: bool
) -> None:
    record = factories.backup(1, NOW)
    opened.catalog.put(record)
    path = path_of(opened, record)
    before = path.stat()
    if not is_young:
        monkeypatch.setattr(listing, "is_young", lambda _changed_ns: False)
    assert available(opened) == [record.id]
    monkeypatch.setattr(plan_records, "_TRUSTED_SECONDS", 0.0)  # the minute is over
    failed = record.evolve(status=Status.FAILED, reason=Reason.TOOL, expired_at=None)
    write(path, codec.encode(failed))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert available(opened) == []


def test_files_are_not_looked_at_one_by_one_while_their_folders_stand_still(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = factories.backup(1, NOW - DAY), factories.backup(2, NOW)
    opened.catalog.put(first)
    os.utime(path_of(opened, first).parent, (1_000_000, 1_000_000))  # long ago
    monkeypatch.setattr(plan_records, "_TRUSTED_SECONDS", float("inf"))
    read = look(opened)
    in_its_place(path_of(opened, first), codec.encode(first.evolve(expired_at=NOW)))
    assert look(opened) is read
    opened.catalog.put(second)  # which moves the folder: all of it is looked at
    assert available(opened) == [second.id]


def test_records_that_come_and_go_within_the_second(opened: Workspace) -> None:
    first, second = factories.backup(1, NOW - DAY), factories.backup(2, NOW)
    opened.catalog.put(first)
    assert available(opened) == [first.id]
    opened.catalog.put(second)
    assert available(opened) == [first.id, second.id]
    path_of(opened, first).unlink()
    assert available(opened) == [second.id]
    opened.catalog.put(second.evolve(expired_at=NOW))
    assert available(opened) == []
    opened.catalog.put(second)
    assert available(opened) == [second.id]


def test_only_what_changed_is_decoded(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [factories.backup(number, NOW - number * DAY) for number in range(3)]
    for each in records:
        opened.catalog.put(each)
    decoded: list[str] = []
    decode = codec.decode

    def told(kind: type[Backup], content: bytes, *, where: str) -> Backup:
        decoded.append(Path(where).stem)
        return decode(kind, content, where=where)

    monkeypatch.setattr(codec, "decode", told)
    monkeypatch.setattr(listing, "is_young", lambda _changed_ns: False)
    first = look(opened)
    assert sorted(decoded) == sorted(each.id for each in records)
    decoded.clear()
    assert look(opened) is first
    assert decoded == []
    opened.catalog.put(records[1].evolve(expired_at=NOW))
    assert available(opened) == sorted((records[0].id, records[2].id))
    assert decoded == [records[1].id]


def test_what_is_no_record_is_told_at_each_look(
    opened: Workspace, heard: list[errors.CatalogError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "is_young", lambda _changed_ns: False)
    good, bad = factories.backup(1, NOW), factories.backup(2, NOW)
    opened.catalog.put(good)
    path_of(opened, bad).write_text("{")
    for _ in range(2):
        heard.clear()
        assert available(opened) == [good.id]
        assert [str(path_of(opened, bad)) in str(each) for each in heard] == [True]
    path_of(opened, bad).write_bytes(codec.encode(bad))
    heard.clear()
    assert available(opened) == sorted((good.id, bad.id))
    assert heard == []


def test_a_newer_record_stops_it(opened: Workspace) -> None:
    record = factories.backup(1, NOW)
    opened.catalog.put(record)
    path_of(opened, record).write_text('{"record_version": 2}')
    for _ in range(2):
        with pytest.raises(errors.NewerRecord):
            look(opened)
    opened.catalog.put(record)
    assert available(opened) == [record.id]


def test_a_catalog_that_is_away_is_not_taken_for_an_empty_one(opened: Workspace) -> None:
    record = factories.backup(1, NOW)
    opened.catalog.put(record)
    assert available(opened) == [record.id]
    root = opened.config.catalog_folder()
    root.rename(root.with_name("away"))
    root.mkdir()
    with pytest.raises(errors.CatalogError, match="is not there"):
        look(opened)
    root.rmdir()
    root.with_name("away").rename(root)
    assert available(opened) == [record.id]


def test_what_changed_beside_records_that_were_unreadable_is_not_forgotten(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "is_young", lambda _changed_ns: False)
    first, second = factories.backup(1, NOW - DAY), factories.backup(2, NOW)
    for each in (first, proof_of(first)):
        opened.catalog.put(each)
    assert available(opened) == [first.id]
    proofs = opened.config.catalog_folder() / "proofs" / PLAN
    away = proofs.with_name("@away")
    proofs.rename(away)
    proofs.write_text("a file")
    opened.catalog.put(second)
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        look(opened)
    proofs.unlink()
    away.rename(proofs)
    assert available(opened) == [first.id, second.id]


def test_drills_and_copies_are_counted_for_their_database(opened: Workspace) -> None:
    record = factories.backup(1, NOW)
    for each in (
        record,
        copy_of(record, damaged_at=NOW),
        proof_of(record, finished_at=NOW),
        proof_of(record, status=Status.FAILED, finished_at=NOW + DAY),
        proof_of(record, status=Status.INTERRUPTED, finished_at=NOW + 2 * DAY),
    ):
        opened.catalog.put(each)
    found = look(opened)
    assert found.damaged_copies == {"shop": 1}
    assert found.drilled == {"shop": NOW.timestamp()}
    assert found.drill_failed == {"shop": (NOW + DAY).timestamp()}
    opened.catalog.put(record.evolve(expired_at=NOW))
    assert look(opened).damaged_copies == {}


def test_the_overview_says_which_kept_backups_are_gone(opened: Workspace) -> None:
    record = factories.backup(1, utc_now())
    opened.catalog.put(record)
    there = opened.config.folder("disk").path / str(record.location)
    there.mkdir(parents=True)

    def missing() -> int:
        return sum(each.known.missing for each in read.overview(opened, (), utc_now()).subjects)

    assert missing() == 0
    there.rmdir()
    assert missing() == 1
    there.mkdir()
    assert missing() == 0
