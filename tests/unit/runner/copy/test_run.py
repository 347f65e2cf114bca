"""Copies are made of what is missing, newest first, and fail alone."""

import errno
import json
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import run
from pgbackstop_runner.storage import folder as storage_folder
from pgbackstop_runner.storage import open, retries
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.hashed import HashedReader
from pgbackstop_runner.storage.protocol import Sent, StoreError
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places


def test_a_copy_is_the_same_tree(opened: Workspace, second: Path) -> None:
    backup = places.days(opened, 1)[0]
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert made.status is Status.SUCCEEDED
    assert (made.attempts, made.failures) == (1, 0)
    copied = places.content(second / str(backup.location))
    assert copied == places.content(places.folder_of(opened, backup))
    assert made.size_bytes == sum(map(len, copied.values()))
    (record,) = opened.catalog.copies("main-logical")
    assert (record.backup, record.status) == (backup.id, Status.SUCCEEDED)


def test_the_newest_first_and_nothing_twice(opened: Workspace) -> None:
    backups = places.days(opened, 3)
    places.stored(opened, factories.backup(9, NOW - 9 * DAY, expired_at=NOW))
    opened.catalog.put(factories.backup(10, NOW, status=Status.FAILED))
    made = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert [each.backup for each in made] == [each.id for each in backups]
    assert run.run(opened, "main-logical", sleep=places.no_sleep) == ()


def test_a_storage_that_comes_back_gets_its_copy(opened: Workspace, second: Path) -> None:
    places.days(opened, 1)
    second.rename(away := second.with_name("away"))
    second.write_text("a file where the folder should be")
    pauses: list[float] = []

    def mend(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            second.unlink()
            away.rename(second)

    (made,) = run.run(opened, "main-logical", sleep=mend)
    assert made.status is Status.SUCCEEDED
    assert (made.attempts, made.failures) == (3, 2)
    assert len(pauses) == 2
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, retries.PAUSES, strict=False))


def test_a_failure_is_on_record_and_tried_again_later(opened: Workspace, second: Path) -> None:
    places.days(opened, 1)
    second.rename(away := second.with_name("away"))
    second.write_text("a file where the folder should be")
    (failed,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert failed.status is Status.FAILED
    assert (failed.attempts, failed.failures) == (4, 4)
    assert str(second) in failed.message
    assert next(opened.catalog.backups()).is_available
    second.unlink()
    away.rename(second)
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert made.status is Status.SUCCEEDED
    assert (made.attempts, made.failures) == (5, 4)


def test_what_was_sent_already_is_not_sent_again(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    places.days(opened, 1)
    real, sent, fails = storage_folder._copy, list[Path](), [StoreError("away")]
    write = FolderStore.put_bytes

    def copy(source: HashedReader, target: Path) -> Sent:
        sent.append(target)
        return real(source, target)

    def put_bytes(self: FolderStore, content: bytes, path: str) -> None:
        if fails:
            raise fails.pop()
        write(self, content, path)

    monkeypatch.setattr(storage_folder, "_copy", copy)
    monkeypatch.setattr(FolderStore, "put_bytes", put_bytes)
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (made.status, made.failures) == (Status.SUCCEEDED, 1)
    assert len(sent) == 1


def test_a_full_storage_is_not_filled_again_and_again(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.days(opened, 1)

    def full(*_given: object) -> Sent:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage_folder, "_copy", full)
    (failed,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (failed.status, failed.failures) == (Status.FAILED, 1)
    assert "No space left" in failed.message


def test_bytes_that_changed_on_our_disk_are_no_copy(opened: Workspace, second: Path) -> None:
    backup = places.days(opened, 1)[0]
    (places.folder_of(opened, backup) / "shop.backup").write_bytes(b"other !!!\n")
    (failed,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert failed.status is Status.FAILED
    assert "is not what was stored first" in failed.message
    assert failed.attempts == 1  # to read the same disk again changes nothing
    assert not list(second.rglob(layout.RECORD_NAME))
    assert not list(second.rglob("*shop.backup*"))


def test_bytes_that_change_on_their_way_are_tried_again(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.days(opened, 1)
    real, spoilt = storage_folder._copy, list[Path]()

    def spoil(source: HashedReader, target: Path) -> Sent:
        written = real(source, target)
        if not spoilt:
            spoilt.append(target)
            target.write_bytes(b"other !!!\n")
        return written

    monkeypatch.setattr(storage_folder, "_copy", spoil)
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (made.status, made.failures) == (Status.SUCCEEDED, 1)


def test_a_signal_is_on_record(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    places.days(opened, 1)

    def signalled(self: FolderStore, source: Path, path: str, expected: StoredFile) -> None:
        raise errors.Interrupted("Ended by SIGTERM.")

    monkeypatch.setattr(FolderStore, "put", signalled)
    with pytest.raises(errors.Interrupted):
        run.run(opened, "main-logical", sleep=places.no_sleep)
    assert next(opened.catalog.copies()).status is Status.INTERRUPTED


def test_one_failing_storage_does_not_stop_the_others(tmp_path: Path) -> None:
    storages = {name: {"kind": "folder", "path": tmp_path / name} for name in ("bad", "good")}
    opened = places.workspace(tmp_path, copies=("bad", "good"), storages=storages)
    (tmp_path / "bad" / layout.STORAGE_MARK).unlink()
    places.days(opened, 1)
    made = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert [(each.storage, each.status) for each in made] == [
        ("bad", Status.FAILED),
        ("good", Status.SUCCEEDED),
    ]


def test_make_missing_never_raises(opened: Workspace) -> None:
    with opened.state.held("copy-main-logical", "A test"):
        run.make_missing(opened, "main-logical")
    assert list(opened.catalog.copies()) == []


def test_the_record_beside_the_copy_is_the_commit_mark(
    opened: Workspace, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = places.days(opened, 1)[0]
    before: list[set[str]] = []
    real = FolderStore.put_bytes

    def look(self: FolderStore, data: bytes, path: str) -> None:
        before.append(set(places.content(second / str(backup.location))))
        real(self, data, path)

    monkeypatch.setattr(FolderStore, "put_bytes", look)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    assert before[-1] == {"shop.backup", layout.CHECKSUMS_NAME, layout.RESTORE_NAME}
    mark = json.loads((second / str(backup.location) / layout.RECORD_NAME).read_bytes())
    assert mark["id"] == backup.id


def test_a_backup_without_a_place_has_no_copy(opened: Workspace) -> None:
    opened.catalog.put(factories.backup(1, NOW, location=None))
    (failed,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert "names no folder" in failed.message


def test_a_backup_that_expires_before_its_turn_has_no_copy(
    opened: Workspace, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = places.days(opened, 1)[0]
    wanted = run.missing(opened, "main-logical")
    monkeypatch.setattr(run, "missing", lambda *_: wanted)
    opened.catalog.put(backup.evolve(expired_at=NOW))
    (failed,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert "has expired before its copy was made" in failed.message
    assert set(places.content(second)) == {layout.STORAGE_MARK}


def test_its_own_storage_is_no_further_one(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path, copies=("disk",))
    backup: Backup = places.days(opened, 1)[0]
    assert run.run(opened, "main-logical", sleep=places.no_sleep) == ()
    assert open.open_store("disk", opened.config.folder("disk")).read(
        f"{backup.location}/{layout.RECORD_NAME}"
    )
