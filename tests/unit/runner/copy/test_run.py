"""Copies are made of what is missing, newest first, and fail alone."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import BinaryIO

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import rebuild_catalog, run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage import folder as storage_folder
from pgbackstop_runner.storage import open
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.workspace import Workspace
from tests.support import keys
from tests.support.keys import Keys
from tests.unit.catalog import builders
from tests.unit.catalog.builders import DAY, NOW
from tests.unit.runner import places


def no_sleep(_seconds: float) -> None:
    """Tests wait for nothing."""


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    storages = {"second": {"kind": "folder", "path": tmp_path / "second"}}
    return places.workspace(tmp_path, copies=("second",), storages=storages)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return tmp_path / "second"


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_copy_is_the_same_tree(opened: Workspace, second: Path) -> None:
    backup = places.days(opened, 1)[0]
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert made.status is Status.SUCCEEDED
    assert (made.attempts, made.failures) == (1, 0)
    copied = content(second / str(backup.location))
    assert copied == content(places.folder_of(opened, backup))
    assert made.size_bytes == sum(map(len, copied.values()))
    (record,) = opened.catalog.copies("main-logical")
    assert (record.backup, record.status) == (backup.id, Status.SUCCEEDED)


def test_the_newest_first_and_nothing_twice(opened: Workspace) -> None:
    backups = places.days(opened, 3)
    places.stored(opened, builders.backup(9, NOW - 9 * DAY, expired_at=NOW))
    opened.catalog.put(builders.backup(10, NOW, status=Status.FAILED))
    made = run.run(opened, "main-logical", sleep=no_sleep)
    assert [each.backup for each in made] == [each.id for each in backups]
    assert run.run(opened, "main-logical", sleep=no_sleep) == ()


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
    assert pauses == list(run.PAUSES[:2])


def test_a_failure_is_on_record_and_tried_again_later(opened: Workspace, second: Path) -> None:
    places.days(opened, 1)
    second.rename(away := second.with_name("away"))
    second.write_text("a file where the folder should be")
    (failed,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert failed.status is Status.FAILED
    assert (failed.attempts, failed.failures) == (4, 4)
    assert str(second) in failed.message
    assert next(opened.catalog.backups()).is_available
    second.unlink()
    away.rename(second)
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert made.status is Status.SUCCEEDED
    assert (made.attempts, made.failures) == (5, 4)


def test_bytes_that_changed_on_our_disk_are_no_copy(opened: Workspace, second: Path) -> None:
    backup = places.days(opened, 1)[0]
    (places.folder_of(opened, backup) / "shop.backup").write_bytes(b"other !!!\n")
    (failed,) = run.run(opened, "main-logical", sleep=no_sleep)
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

    def spoil(source: BinaryIO, target: Path) -> tuple[int, str]:
        written = real(source, target)
        if not spoilt:
            spoilt.append(target)
            target.write_bytes(b"other !!!\n")
        return written

    monkeypatch.setattr(storage_folder, "_copy", spoil)
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert (made.status, made.failures) == (Status.SUCCEEDED, 1)


def test_a_killed_copy_is_made_again(opened: Workspace, second: Path) -> None:
    (backup,) = places.days(opened, 1)
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    (second / str(backup.location) / layout.RECORD_NAME).unlink()
    opened.catalog.put(made.evolve(status=Status.RUNNING, finished_at=None))
    (again,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert (again.status, again.attempts) == (Status.SUCCEEDED, 2)


def test_a_signal_is_on_record(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    places.days(opened, 1)

    def signalled(self: FolderStore, source: Path, path: str, expected: StoredFile) -> None:
        raise errors.Interrupted("Ended by SIGTERM.")

    monkeypatch.setattr(FolderStore, "put", signalled)
    with pytest.raises(errors.Interrupted):
        run.run(opened, "main-logical", sleep=no_sleep)
    assert next(opened.catalog.copies()).status is Status.INTERRUPTED


def test_one_failing_storage_does_not_stop_the_others(tmp_path: Path) -> None:
    storages = {name: {"kind": "folder", "path": tmp_path / name} for name in ("bad", "good")}
    opened = places.workspace(tmp_path, copies=("bad", "good"), storages=storages)
    (tmp_path / "bad" / layout.STORAGE_MARK).unlink()
    places.days(opened, 1)
    made = run.run(opened, "main-logical", sleep=no_sleep)
    assert [(each.storage, each.status) for each in made] == [
        ("bad", Status.FAILED),
        ("good", Status.SUCCEEDED),
    ]


def test_make_missing_never_raises(opened: Workspace) -> None:
    with opened.state.held("copy-main-logical", "A test"):
        run.make_missing(opened, "main-logical")
    assert list(opened.catalog.copies()) == []


def test_retention_removes_the_copy_too(opened: Workspace, second: Path) -> None:
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=no_sleep)
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert {each.name for each in (second / "backups/logical/main/shop").iterdir()} == {backups[0].id}
    gone = {each.backup: each.expired_at is not None for each in opened.catalog.copies()}
    assert gone == {backups[0].id: False, backups[1].id: True}


@pytest.mark.parametrize("mounted", [False, True], ids=["no folder", "an empty mount point"])
def test_a_copy_that_cannot_be_removed_is_said_and_tried_again(
    opened: Workspace, second: Path, mounted: bool
) -> None:
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=no_sleep)
    away = second.with_name("unplugged")
    second.rename(away)
    if mounted:
        second.mkdir()
    (problem,) = expire_run.run(opened, "main-logical", now=NOW).problems
    assert f"The copy of {backups[1].id} in second cannot be removed" in problem
    if mounted:
        second.rmdir()
    away.rename(second)
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert not (second / str(backups[1].location)).exists()


def test_no_empty_folder_is_left_of_an_expired_copy(opened: Workspace, second: Path) -> None:
    """A dump in the directory format is a folder in the backup's folder."""
    new, old = places.days(opened, 2)
    content = b"table\n"
    file = StoredFile(
        path="shop.dir/toc.dat", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    (places.folder_of(opened, old) / "shop.dir").mkdir()
    (places.folder_of(opened, old) / file.path).write_bytes(content)
    opened.catalog.put(old.evolve(files=(*old.files, file)))
    run.run(opened, "main-logical", sleep=no_sleep)
    assert (second / str(old.location) / file.path).exists()
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    folders = [path for path in second.rglob("*") if path.is_dir()]
    assert (second / str(new.location)) in folders
    assert [path for path in folders if not any(path.iterdir())] == []


@pytest.mark.parametrize("suffix", ["tmp", "0123456789abcdef.tmp"], ids=["of before", "today"])
def test_what_a_killed_copy_left_is_swept_when_it_is_made_again(
    opened: Workspace, second: Path, suffix: str
) -> None:
    backup = places.days(opened, 1)[0]
    with subprocess.Popen(["true"]) as gone:
        pass
    left = second / str(backup.location) / f".shop.backup.{gone.pid}.{suffix}"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of it")
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert made.status is Status.SUCCEEDED
    assert not left.exists()


def test_the_record_beside_the_copy_is_the_commit_mark(
    opened: Workspace, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = places.days(opened, 1)[0]
    before: list[set[str]] = []
    real = FolderStore.put_bytes

    def look(self: FolderStore, data: bytes, path: str) -> None:
        before.append(set(content(second / str(backup.location))))
        real(self, data, path)

    monkeypatch.setattr(FolderStore, "put_bytes", look)
    run.run(opened, "main-logical", sleep=no_sleep)
    assert before[-1] == {"shop.backup", layout.CHECKSUMS_NAME, layout.RESTORE_NAME}
    mark = json.loads((second / str(backup.location) / layout.RECORD_NAME).read_bytes())
    assert mark["id"] == backup.id


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "link/file", "link"])
def test_a_folder_store_stays_inside(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    store = FolderStore(root=root)
    with pytest.raises(StoreError):
        store.put_bytes(b"", path)
    with pytest.raises(StoreError):
        store.remove([path])
    assert list(outside.iterdir()) == []
    assert outside.is_dir()


def test_a_backup_without_a_place_has_no_copy(opened: Workspace) -> None:
    opened.catalog.put(builders.backup(1, NOW, location=None))
    (failed,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert "names no folder" in failed.message


def test_a_backup_that_expires_before_its_turn_has_no_copy(
    opened: Workspace, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = places.days(opened, 1)[0]
    wanted = run.missing(opened, "main-logical")
    monkeypatch.setattr(run, "missing", lambda *_: wanted)
    opened.catalog.put(backup.evolve(expired_at=NOW))
    (failed,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert "has expired before its copy was made" in failed.message
    assert set(content(second)) == {layout.STORAGE_MARK}


def test_its_own_storage_is_no_further_one(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path, copies=("disk",))
    backup: Backup = places.days(opened, 1)[0]
    assert run.run(opened, "main-logical", sleep=no_sleep) == ()
    assert open.open_store("disk", opened.config.folder("disk")).read(
        f"{backup.location}/{layout.RECORD_NAME}"
    )


def test_a_dead_process_s_copy_does_not_run_for_ever(opened: Workspace) -> None:
    """Its backup expires meanwhile, so that nobody makes the copy again."""
    (backup,) = places.days(opened, 1)
    opened.catalog.put(Copy.of(backup, "second", started_at=NOW))
    opened.catalog.put(backup.evolve(expired_at=NOW))
    expire_run.run(opened, "main-logical")
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.size_bytes) == (Status.INTERRUPTED, None)
    assert record.expired_at is not None


def test_a_copy_that_was_complete_counts(opened: Workspace) -> None:
    """Killed between the commit mark and the last line of its record."""
    (backup,) = places.days(opened, 1)
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    opened.catalog.put(Copy.of(backup, "second", started_at=NOW))
    run.close_dead(opened, "main-logical")
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.size_bytes) == (Status.SUCCEEDED, made.size_bytes)
    assert run.run(opened, "main-logical", sleep=no_sleep) == ()


def test_a_damaged_copy_stays_so_until_it_was_made_anew(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit mark of the damaged one lies there all the time."""
    places.days(opened, 1)
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    opened.catalog.put(made.evolve(status=Status.FAILED, damaged_at=NOW, message="A bit."))

    def killed(*_anything: object) -> int:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put", killed)
        with pytest.raises(SystemExit):
            run.run(opened, "main-logical", sleep=no_sleep)
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.is_damaged) == (Status.RUNNING, True)
    run.close_dead(opened, "main-logical")
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.is_damaged) == (Status.INTERRUPTED, True)
    assert record.message
    (anew,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert (anew.status, anew.damaged_at, anew.message) == (Status.SUCCEEDED, None, "")


def test_a_copy_that_somebody_makes_is_left_to_him(opened: Workspace) -> None:
    (backup,) = places.days(opened, 1)
    opened.catalog.put(Copy.of(backup, "second", started_at=NOW))
    with opened.state.held("copy-main-logical", "another process"):
        run.close_dead(opened, "main-logical")
    (record,) = opened.catalog.copies("main-logical")
    assert record.status is Status.RUNNING


def test_nobody_can_tell_of_a_copy_while_its_storage_is_not_there(opened: Workspace, second: Path) -> None:
    (backup,) = places.days(opened, 1)
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    opened.catalog.put(Copy.of(backup, "second", started_at=made.started_at))
    second.rename(second.with_name("away"))
    second.mkdir()
    run.close_dead(opened, "main-logical")
    assert [each.status for each in opened.catalog.copies("main-logical")] == [Status.RUNNING]
    second.rmdir()
    second.with_name("away").rename(second)
    run.close_dead(opened, "main-logical")
    assert [each.status for each in opened.catalog.copies("main-logical")] == [Status.SUCCEEDED]


@pytest.fixture
def own(tmp_path: Path) -> Keys:
    return keys.generated(tmp_path / "keys")


@pytest.fixture
def sealed(tmp_path: Path, own: Keys) -> Workspace:
    """The second storage is encrypted, and this host cannot read it."""
    second = {"kind": "folder", "path": tmp_path / "second", "encryption": own.settings(reads=False)}
    return places.workspace(tmp_path, copies=("second",), storages={"second": second})


def test_an_encrypted_copy_says_for_whom_and_how_large(sealed: Workspace, second: Path, own: Keys) -> None:
    backup = places.stored(sealed, builders.backup(1, NOW), b"only-of-this-test")
    (made,) = run.run(sealed, "main-logical", sleep=no_sleep)
    assert made.status is Status.SUCCEEDED
    copied = content(second / str(backup.location))
    assert set(copied) == {"shop.backup.age", "backup.json", "RESTORE.md", "SHA256SUMS"}
    assert made.size_bytes == sum(map(len, copied.values()))
    record = codec.decode(Backup, copied["backup.json"], where="copy")
    assert record.encryption is not None
    (recipient,) = record.encryption.recipients
    assert recipient in own.recipients.read_text()
    assert record.encryption.stored_bytes == {"shop.backup": len(copied["shop.backup.age"])}
    assert record.evolve(encryption=None) == backup
    assert copied["RESTORE.md"].endswith(b"# Restore by hand\n")
    assert recipient.encode() in copied["RESTORE.md"]
    everything = b"".join(copied.values()) + b"".join(content(sealed.config.catalog_folder()).values())
    assert b"only-of-this-test" not in everything
    assert b"AGE-SECRET-KEY" not in everything


def test_a_source_that_changed_is_no_encrypted_copy(sealed: Workspace, second: Path) -> None:
    backup = places.days(sealed, 1)[0]
    (places.folder_of(sealed, backup) / "shop.backup").write_bytes(b"other !!!\n")
    (failed,) = run.run(sealed, "main-logical", sleep=no_sleep)
    assert (failed.status, failed.attempts) == (Status.FAILED, 1)
    assert "is not what was stored first" in failed.message
    assert not list(second.rglob("*shop.backup*"))


def test_encrypted_copies_expire(sealed: Workspace, second: Path) -> None:
    places.days(sealed, 3)
    run.run(sealed, "main-logical", sleep=no_sleep)
    expire_run.run(sealed, "main-logical")
    assert len(list(second.rglob("*.age"))) == 1
    assert len(list(second.rglob("*.md"))) == 1


def test_recipients_that_cannot_be_read(sealed: Workspace, own: Keys) -> None:
    places.days(sealed, 1)
    own.recipients.unlink()
    (failed,) = run.run(sealed, "main-logical", sleep=no_sleep)
    assert failed.status is Status.FAILED
    assert f"The key file {own.recipients} cannot be read" in failed.message


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_dump_whose_list_is_beside_it_is_copied(
    request: pytest.FixtureRequest, second: Path, is_sealed: bool
) -> None:
    opened = request.getfixturevalue("sealed" if is_sealed else "opened")
    backup = places.stored_many(opened, builders.backup(1, NOW))
    (made,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert made.status is Status.SUCCEEDED, made.message
    copied = content(second / str(backup.location))
    assert len([path for path in copied if path.startswith("shop.dir/")]) == 150
    original = places.folder_of(opened, backup) / layout.CHECKSUMS_NAME
    assert copied[layout.CHECKSUMS_NAME] == original.read_bytes()
    shutil.rmtree(opened.config.catalog_folder() / "backups")
    outcome = rebuild_catalog.run(opened, "second")
    assert outcome.garbage == ()
    assert list(opened.catalog.backups()) == [backup]


@pytest.mark.parametrize("damage", ["gone", "changed", "a file less"])
def test_a_damaged_list_makes_no_copy(opened: Workspace, second: Path, damage: str) -> None:
    backup = places.stored_many(opened, builders.backup(1, NOW))
    folder = places.folder_of(opened, backup)
    if damage == "changed":
        (folder / layout.CHECKSUMS_NAME).write_bytes(b"changed\n")
    else:
        (folder / (layout.CHECKSUMS_NAME if damage == "gone" else "shop.dir/7.dat")).unlink()
    (failed,) = run.run(opened, "main-logical", sleep=no_sleep)
    assert (failed.status, failed.attempts) == (Status.FAILED, 1)
    assert f"Backup {backup.id} is damaged: " in failed.message
    assert not list(second.rglob(layout.RECORD_NAME))
