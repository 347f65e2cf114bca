"""What becomes of a copy whose process ended without a word."""

import subprocess
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.workspace import Workspace
from tests.support.factories import NOW
from tests.unit.runner import places


def test_a_killed_copy_is_made_again(opened: Workspace, second: Path) -> None:
    (backup,) = places.days(opened, 1)
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    (second / str(backup.location) / layout.RECORD_NAME).unlink()
    opened.catalog.put(made.evolve(status=Status.RUNNING, finished_at=None))
    (again,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (again.status, again.attempts) == (Status.SUCCEEDED, 2)


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
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert made.status is Status.SUCCEEDED
    assert not left.exists()


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
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    opened.catalog.put(Copy.of(backup, "second", started_at=NOW))
    run.close_dead(opened, "main-logical")
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.size_bytes) == (Status.SUCCEEDED, made.size_bytes)
    assert run.run(opened, "main-logical", sleep=places.no_sleep) == ()


def test_a_damaged_copy_stays_so_until_it_was_made_anew(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit mark of the damaged one lies there all the time."""
    places.days(opened, 1)
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    opened.catalog.put(made.evolve(status=Status.FAILED, damaged_at=NOW, message="A bit."))

    def killed(*_anything: object) -> int:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put", killed)
        with pytest.raises(SystemExit):
            run.run(opened, "main-logical", sleep=places.no_sleep)
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.is_damaged) == (Status.RUNNING, True)
    run.close_dead(opened, "main-logical")
    (record,) = opened.catalog.copies("main-logical")
    assert (record.status, record.is_damaged) == (Status.INTERRUPTED, True)
    assert record.message
    (anew,) = run.run(opened, "main-logical", sleep=places.no_sleep)
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
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    opened.catalog.put(Copy.of(backup, "second", started_at=made.started_at))
    second.rename(second.with_name("away"))
    second.mkdir()
    run.close_dead(opened, "main-logical")
    assert [each.status for each in opened.catalog.copies("main-logical")] == [Status.RUNNING]
    second.rmdir()
    second.with_name("away").rename(second)
    run.close_dead(opened, "main-logical")
    assert [each.status for each in opened.catalog.copies("main-logical")] == [Status.SUCCEEDED]
