"""Expire removes what retention lets go, and nothing else, whatever stands in its way."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog.testing

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.expire import remove
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, skips
from tests.support.factories import DAY, NOW
from tests.unit.runner import places


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


def run(opened: Workspace, plan: str = "main-logical") -> expire_run.ExpireResult:
    return expire_run.run(opened, plan, now=NOW)


def available(opened: Workspace, plan: str = "main-logical") -> list[str]:
    return [each.id for each in opened.catalog.backups(plan) if each.is_available]


def test_what_no_rule_keeps_goes_from_the_disk_and_stays_on_record(opened: Workspace) -> None:
    backups = places.days(opened, 3)
    outcome = run(opened)
    assert outcome.problems == ()
    assert available(opened) == [backups[0].id]
    assert [places.folder_of(opened, each).exists() for each in backups] == [True, False, False]
    assert opened.catalog.backup(backups[1].id).expired_at == NOW
    assert not list(opened.config.folder("disk").path.rglob(f"*{remove.EXPIRED_SUFFIX}"))


def test_the_dry_run_says_the_same_and_removes_nothing(opened: Workspace) -> None:
    backups = places.days(opened, 3)
    verdicts = expire_run.decide(opened, "main-logical", now=NOW)
    assert available(opened) == [each.id for each in backups]
    assert verdicts == run(opened).verdicts


def test_each_database_has_its_own_floor(opened: Workspace) -> None:
    shop = places.days(opened, 2)
    old = places.stored(opened, factories.backup(50, NOW - 300 * DAY, database="crm"))
    run(opened)
    assert set(available(opened)) == {shop[0].id, old.id}


def test_a_prefix_of_a_name_is_no_reason(opened: Workspace) -> None:
    """Fault 28: shop's retention must not touch shop2's folder, nor a stranger's beside it."""
    places.days(opened, 3)
    other = factories.backup(70, NOW - 9 * DAY, database="shop2")
    other = places.stored(opened, other.evolve(location=f"backups/logical/main/shop2/{other.id}"))
    stranger = places.folder_of(opened, other).parent.parent / "shop" / "20200101T000000Z-000000"
    stranger.mkdir(parents=True)
    run(opened)
    assert places.folder_of(opened, other).is_dir()
    assert stranger.is_dir()


def test_a_good_backup_outlives_any_outage(opened: Workspace) -> None:
    """Fault 20: failures never count, and time alone removes nothing."""
    good = places.days(opened, 2)
    opened = places.workspace(opened.file.parent, keep={"within": "3d", "minimum": 1})
    for day in range(1, 60):
        opened.catalog.put(
            factories.backup(800 + day, NOW + day * DAY, status=Status.FAILED, location=None, storage=None)
        )
    expire_run.run(opened, "main-logical", now=NOW + 60 * DAY)
    assert available(opened) == [each.id for each in good]


def test_a_proof_on_record_protects(opened: Workspace) -> None:
    backups = places.days(opened, 4)
    proof = Proof(
        id=backups[3].id, proof="drill", backup=backups[3].id, plan="main-logical", server="main",
        database="shop", backup_type="logical", status=Status.SUCCEEDED, started_at=NOW,
    )  # fmt: skip
    opened.catalog.put(proof)
    run(opened)
    assert available(opened) == [backups[0].id, backups[3].id]


def test_what_is_being_read_is_left_for_the_next_time(opened: Workspace) -> None:
    """Fault 21."""
    backups = places.days(opened, 3)
    with opened.state.lease(backups[2].id), opened.state.lease(backups[2].id):
        outcome = run(opened)
        assert outcome.problems == (f"{backups[2].id} is in use, and is left for the next time",)
        assert available(opened) == [backups[0].id, backups[2].id]
        assert (places.folder_of(opened, backups[2]) / "shop.backup").exists()
    assert run(opened).problems == ()
    assert available(opened) == [backups[0].id]


REMOVED: dict[str, Callable[[Path], object]] = {
    "folder": shutil.rmtree,
    "file": lambda folder: (folder / "shop.backup").unlink(),
    "part of a file": lambda folder: (folder / "shop.backup").write_bytes(b""),
}


@pytest.mark.parametrize("away", REMOVED.values(), ids=REMOVED)
def test_what_somebody_removed_lets_no_other_go(opened: Workspace, away: Callable[[Path], object]) -> None:
    """An older state of the storage may be mounted there, too: it has its mark."""
    gone, good, superfluous = places.days(opened, 3)
    away(places.folder_of(opened, gone))
    outcome = run(opened)
    assert outcome.problems == ()
    assert available(opened) == [gone.id, good.id]
    assert places.folder_of(opened, good).exists()
    assert not places.folder_of(opened, superfluous).exists()
    reasons = {each.backup.id: each.reasons for each in outcome.verdicts}
    assert reasons[gone.id] == ("its files are gone: it counts for nothing, and goes with its time",)


def test_what_somebody_removed_stays_on_record_for_its_time(tmp_path: Path) -> None:
    """The disk that has it may be mounted again."""
    opened = places.workspace(tmp_path, keep={"last": 2, "minimum": 1})
    newest, gone, old, superfluous = places.days(opened, 4)
    shutil.rmtree(places.folder_of(opened, gone))
    shutil.rmtree(places.folder_of(opened, superfluous))
    run(opened)
    assert available(opened) == [newest.id, gone.id, old.id]
    shutil.rmtree(places.folder_of(opened, old))
    run(opened)
    assert available(opened) == [newest.id, gone.id]


def test_a_chain_goes_only_as_a_whole(opened: Workspace) -> None:
    """Fault 22."""
    full = places.stored(opened, factories.physical(1, NOW - 9 * DAY))
    child = places.stored(opened, factories.physical(2, NOW - 8 * DAY, parent=full))
    run(opened, "main-physical")
    assert available(opened, "main-physical") == [child.id, full.id]
    newer = places.stored(opened, factories.physical(3, NOW))
    run(opened, "main-physical")
    assert available(opened, "main-physical") == [newer.id]


@pytest.mark.root
def test_one_undeletable_file_stops_nothing(opened: Workspace) -> None:
    """Fault 27: skipped, named, the others go on; the next time it goes too."""
    backups = places.days(opened, 4)
    stuck = places.folder_of(opened, backups[2]) / "shop.backup"
    if subprocess.run(["chattr", "+i", stuck], capture_output=True, check=False).returncode != 0:
        skips.platform_impossible("the file system of the temporary folder knows no immutable files")
    expired = stuck.parent.with_name(stuck.parent.name + remove.EXPIRED_SUFFIX) / stuck.name
    try:
        outcome = run(opened)
    finally:
        subprocess.run(["chattr", "-i", expired if expired.exists() else stuck], check=True)
    assert len(outcome.problems) == 1
    assert str(expired) in outcome.problems[0]
    assert available(opened) == [backups[0].id]
    assert [places.folder_of(opened, backups[number]).exists() for number in (1, 2, 3)] == [False] * 3
    assert list(expired.parent.iterdir()) == [expired]
    assert run(opened).problems == ()
    assert not expired.parent.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(path: Path) -> None:
    """Write until there is no free byte."""
    with contextlib.suppress(OSError), path.open("wb", 0) as file:
        while True:
            file.write(b"x" * 512)


@pytest.mark.root
def test_a_full_disk_can_be_emptied(small_disk: Path) -> None:
    """Fault 19: storage and catalog on one disk without a free byte."""
    opened = places.workspace(small_disk)
    backups = [
        places.stored(opened, factories.backup(number, NOW - number * DAY), content=os.urandom(200_000))
        for number in range(3)
    ]
    fill(small_disk / "filler")
    with pytest.raises(errors.CatalogError):
        opened.catalog.put(backups[0])
    outcome = run(opened)
    assert outcome.problems == ()
    assert available(opened) == [backups[0].id]
    assert [places.folder_of(opened, each).exists() for each in backups] == [True, False, False]


def test_a_crash_after_the_mark_is_made_good_the_next_time(opened: Workspace) -> None:
    backups = places.days(opened, 2)
    opened.catalog.put(backups[1].evolve(expired_at=NOW))
    run(opened)
    assert not places.folder_of(opened, backups[1]).exists()


def test_a_crash_after_the_rename_is_made_good_the_next_time(opened: Workspace) -> None:
    backups = places.days(opened, 2)
    opened.catalog.put(backups[1].evolve(expired_at=NOW))
    folder = places.folder_of(opened, backups[1])
    folder.rename(folder.with_name(folder.name + remove.EXPIRED_SUFFIX))
    run(opened)
    assert list(folder.parent.iterdir()) == [places.folder_of(opened, backups[0])]


@pytest.fixture
def stuck(opened: Workspace) -> Backup:
    """A backup that is to go, and whose record names another folder."""
    backups = places.days(opened, 2)
    opened.catalog.put(backups[1].evolve(location="backups"))
    return backups[1]


@pytest.mark.parametrize("location", ["backups", "backups/logical/main/shop", "catalog/backups"])
def test_a_record_that_names_another_folder_removes_nothing(opened: Workspace, location: str) -> None:
    backups = places.days(opened, 2)
    opened.catalog.put(backups[1].evolve(location=location))
    outcome = run(opened)
    assert "is not its folder" in outcome.problems[0]
    assert places.folder_of(opened, backups[1]).exists()


def test_a_symbolic_link_is_not_followed(opened: Workspace, tmp_path: Path) -> None:
    """Fault 32: neither a linked backup, nor a linked folder above it, nor a link inside."""
    backups = places.days(opened, 4)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("still here")
    linked, inside = places.folder_of(opened, backups[1]), places.folder_of(opened, backups[2])
    linked.rename(tmp_path / "moved")
    linked.symlink_to(precious)
    (inside / "link").symlink_to(precious)
    outcome = run(opened)
    assert outcome.problems == (f"{linked} is a symbolic link, and is left alone",)
    assert (precious / "file").read_text() == "still here"
    assert not inside.exists()


def test_a_link_above_the_backup_is_not_followed(opened: Workspace, tmp_path: Path) -> None:
    backups = places.days(opened, 2)
    database = places.folder_of(opened, backups[0]).parent
    database.rename(tmp_path / "elsewhere")
    database.symlink_to(tmp_path / "elsewhere")
    outcome = run(opened)
    assert "leads elsewhere by a symbolic link" in outcome.problems[0]
    assert (tmp_path / "elsewhere" / backups[1].id).exists()


def test_a_storage_that_is_configured_no_more_is_said(opened: Workspace) -> None:
    backups = places.days(opened, 2)
    opened.catalog.put(backups[1].evolve(storage="tape"))
    assert "is no folder of the configuration" in run(opened).problems[0]
    assert available(opened) == [each.id for each in backups]


def test_after_success_says_what_it_could_not_do(opened: Workspace, stuck: Backup) -> None:
    with structlog.testing.capture_logs() as logs:
        expire_run.after_success(opened, "main-logical")
    assert [each["message"] for each in logs if each["event"] == "not removed"] == [
        f"The record of backup {stuck.id} names {opened.config.folder('disk').path / 'backups'}, "
        "which is not its folder."
    ]


def test_after_success_never_raises(opened: Workspace) -> None:
    with (
        structlog.testing.capture_logs() as logs,
        opened.state.held("expire-main-logical", "A test"),
    ):
        expire_run.after_success(opened, "main-logical")
    assert [each["event"] for each in logs] == ["expire failed"]
    assert "is already running" in logs[0]["message"]
