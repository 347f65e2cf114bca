"""Copies in further storages are read back: what rots there is found, on record, and made anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import run as copying
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.verify import copies, reread
from pgbackstop_runner.verify.run import Asked, VerifyResult
from pgbackstop_runner.workspace import Workspace
from tests.support import keys
from tests.support.factories import DAY, NOW
from tests.support.keys import Keys
from tests.unit.runner import places
from tests.unit.runner.stub_alertmanager import answering

PLAN = "main-logical"
NOW_DUE = {"interval": "0s", "copies_interval": "0s"}
DUE = utc_now() + DAY  # after all that a test makes
BY_SCHEDULE = Asked(trigger="schedule", scheduled_for=DUE)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return tmp_path / "second"


@pytest.fixture
def own(tmp_path: Path) -> Keys:
    return keys.generated(tmp_path / "keys")


def workspace(folder: Path, notifications: dict[str, Any] | None = None, **storage: object) -> Workspace:
    storages = {"second": {"kind": "folder", "path": folder / "second", **storage}}
    return places.workspace(
        folder, copies=("second",), storages=storages, verify=NOW_DUE, notifications=notifications or {}
    )


def copied(opened: Workspace, second: Path) -> tuple[Backup, Path]:
    """A backup and the folder of its copy."""
    (backup,) = places.days(opened, 1)
    (made,) = copying.run(opened, PLAN, sleep=lambda _seconds: None)
    assert made.status is Status.SUCCEEDED
    return backup, second / str(backup.location)


def copy_of(opened: Workspace) -> Copy:
    (found,) = opened.catalog.copies(PLAN)
    return found


def read(opened: Workspace, asked: Asked = BY_SCHEDULE) -> list[VerifyResult]:
    backups = list(opened.catalog.backups(PLAN))
    return list(copies.plan(opened, PLAN, backups, "second", asked=asked))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x10  # of an encrypted file, too, its data: what is in the middle may be its header
    path.write_bytes(content)


def test_the_proof_of_a_copy_says_who_asked(tmp_path: Path, second: Path) -> None:
    opened = workspace(tmp_path)
    backup, _folder = copied(opened, second)
    (by_schedule,), (by_hand,) = read(opened), read(opened, Asked())
    assert (by_schedule.passed, by_schedule.proof.copy_in) == (True, "second")
    assert (by_schedule.proof.trigger, by_schedule.proof.scheduled_for) == ("schedule", DUE)
    assert (by_hand.proof.trigger, by_hand.proof.scheduled_for) == ("manual", None)
    assert (by_schedule.proof.source_reason, by_hand.proof.source_reason) == ("its turn", "as asked for")
    assert by_schedule.proof.read_bytes == backup.size_bytes


def test_due_are_backups_and_copies_alike(tmp_path: Path, second: Path) -> None:
    opened = workspace(tmp_path)
    backup, folder = copied(opened, second)
    flip(folder / "shop.backup")
    results = list(reread.read(opened, reread.choose(opened, BY_SCHEDULE), BY_SCHEDULE))
    assert [(each.proof.backup, each.proof.copy_in) for each in results] == [
        (backup.id, None),
        (backup.id, "second"),
    ]
    assert copy_of(opened).is_damaged
    assert [each for each in reread.choose(opened, BY_SCHEDULE).now if each.copy] == []


def test_a_damaged_copy_is_told_once(tmp_path: Path, second: Path) -> None:
    with answering() as server:
        opened = workspace(tmp_path, {"alertmanager": {"url": server.url}})
        backup, folder = copied(opened, second)
        flip(folder / "shop.backup")
        for asked in (BY_SCHEDULE, Asked()):
            assert [each.is_damaged for each in read(opened, asked)] == [True]
    (labels,) = [each["labels"] for each in server.received]
    assert (labels["alertname"], labels["severity"]) == ("BackupCopyDamaged", "warning")
    assert (labels["backup"], labels["storage"]) == (backup.id, "second")


def test_a_storage_may_be_left_alone(tmp_path: Path, second: Path) -> None:
    opened = workspace(tmp_path, verify=False)
    copied(opened, second)
    assert [each.copy for each in reread.choose(opened, BY_SCHEDULE).now] == [None]


@pytest.mark.parametrize("how", ["away", "key"])
def test_a_storage_that_cannot_be_reached_costs_no_other_copy_its_turn(
    tmp_path: Path, second: Path, own: Keys, how: str
) -> None:
    third = {"kind": "folder", "path": tmp_path / "third", "encryption": own.settings()}
    opened = places.workspace(
        tmp_path,
        copies=("second", "third"),
        storages={"second": {"kind": "folder", "path": second}, "third": third},
        verify=NOW_DUE,
    )
    places.days(opened, 1)
    copying.run(opened, PLAN, sleep=lambda _seconds: None)
    before = list(opened.catalog.copies(PLAN))
    if how == "away":
        (tmp_path / "third").rename(tmp_path / "elsewhere")
    else:
        Path(str(own.settings()["recipients_file"])).unlink()
    turns = reread.choose(opened, BY_SCHEDULE)
    assert [each.copy.storage if each.copy else None for each in turns.now] == [None, "second"]
    results = list(reread.read(opened, turns, BY_SCHEDULE))
    assert [each.passed for each in results if each.proof.copy_in] == [True]
    assert [each for each in opened.catalog.copies(PLAN) if each.storage == "third"] == [
        each for each in before if each.storage == "third"
    ]


def test_a_storage_that_goes_away_meanwhile_condemns_nothing(tmp_path: Path, second: Path) -> None:
    opened = workspace(tmp_path)
    copied(opened, second)
    before = copy_of(opened)
    second.rename(tmp_path / "away")
    (result,) = read(opened)
    assert (result.passed, result.is_damaged) == (False, False)
    assert copy_of(opened) == before


def test_a_copy_that_was_made_anew_meanwhile_is_not_judged(
    tmp_path: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace(tmp_path)
    backup, folder = copied(opened, second)
    flip(folder / "shop.backup")
    files = FolderStore.files

    def anew(store: FolderStore, below: str) -> Iterator[tuple[str, int]]:
        if below == str(backup.location):
            opened.catalog.put(copy_of(opened).evolve(attempts=7))
        return files(store, below)

    monkeypatch.setattr(FolderStore, "files", anew)
    (result,) = read(opened)
    assert (result.passed, result.is_damaged) == (False, False)
    assert "was made anew while it was read" in result.proof.message
    assert copy_of(opened).is_available


def test_nobody_reads_what_is_being_removed(tmp_path: Path, second: Path) -> None:
    """The commit mark goes first, and the record of the copy is the last to say so."""
    opened = workspace(tmp_path)
    backup, folder = copied(opened, second)
    opened.catalog.put(backup.evolve(expired_at=NOW))
    (folder / layout.RECORD_NAME).unlink()
    (folder / "shop.backup").unlink()
    assert list(copies.plan(opened, PLAN, [backup], "second", asked=BY_SCHEDULE)) == []
    assert not copy_of(opened).is_damaged


def test_nobody_reads_what_is_being_made(tmp_path: Path, second: Path) -> None:
    opened = workspace(tmp_path)
    copied(opened, second)
    opened.catalog.put(copy_of(opened).evolve(status=Status.RUNNING, damaged_at=NOW))
    assert read(opened) == []


def test_of_a_copy_that_nothing_here_opens_the_encrypted_bytes_are_compared(
    tmp_path: Path, second: Path, own: Keys
) -> None:
    opened = workspace(tmp_path, encryption=own.settings(reads=False))
    _backup, folder = copied(opened, second)
    assert [each.is_sealed for each in reread.choose(opened, BY_SCHEDULE).now] == [False, False]
    (good,) = read(opened)
    assert good.passed
    assert good.proof.tool == "sha256 of 1 files as they are encrypted in second"
    assert copy_of(opened).verified_at is not None
    flip(folder / f"shop.backup{layout.ENCRYPTED_SUFFIX}")
    (bad,) = read(opened)
    assert (bad.is_damaged, bad.proof.reason) == (True, Reason.CORRUPT)


def without_digests(opened: Workspace, folder: Path) -> None:
    """As older versions made copies."""
    path = folder / layout.RECORD_NAME
    record = json.loads(path.read_bytes())
    del record["encryption"]["stored_sha256"]
    path.write_text(json.dumps(record))
    opened.catalog.put(copy_of(opened).evolve(has_stored_digests=False))


def test_of_an_older_copy_that_nothing_here_opens_the_sizes_are_compared(
    tmp_path: Path, second: Path, own: Keys
) -> None:
    opened = workspace(tmp_path, encryption=own.settings(reads=False))
    _backup, folder = copied(opened, second)
    without_digests(opened, folder)
    assert [(each.copy is not None, each.is_sealed) for each in reread.choose(opened, BY_SCHEDULE).now] == [
        (False, False),
        (True, True),
    ]
    assert read(opened) == []
    assert (copy_of(opened).verified_at, list(opened.catalog.proofs(PLAN))) == (None, [])
    (by_hand,) = read(opened, Asked())
    assert (by_hand.passed, by_hand.is_damaged) == (False, False)
    stored = folder / f"shop.backup{layout.ENCRYPTED_SUFFIX}"
    stored.write_bytes(stored.read_bytes()[:-1])
    (result,) = read(opened)
    assert (result.is_damaged, result.proof.reason) == (True, Reason.CORRUPT)
    assert copy_of(opened).is_damaged


def test_an_encrypted_copy_is_read_where_an_identity_is(tmp_path: Path, second: Path, own: Keys) -> None:
    opened = workspace(tmp_path, encryption=own.settings())
    _backup, folder = copied(opened, second)
    (good,) = read(opened)
    assert good.passed
    assert copy_of(opened).verified_at is not None
    flip(folder / f"shop.backup{layout.ENCRYPTED_SUFFIX}")
    (bad,) = read(opened)
    assert bad.is_damaged
