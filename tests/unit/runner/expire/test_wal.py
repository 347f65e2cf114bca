"""WAL goes only where every kept physical backup starts after it, and one segment later than that."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.decisions import wal_needs, wal_segments
from pgbackstop_catalog.decisions.wal_segments import WalSegment
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_runner.expire import run
from pgbackstop_runner.wal import index
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

NAMES = [f"00000001000000000000000{number}" for number in range(1, 10)]


def physical(number: int, start_lsn: str | None, **changes: Any) -> Backup:
    return factories.physical(number, NOW - number * DAY, start_lsn=start_lsn, **changes)


def facts(segment_bytes: int) -> ServerFacts:
    return ServerFacts(version="17.5", version_number=170005, wal_segment_bytes=segment_bytes)


def test_everything_before_the_segment_before_the_oldest_start_goes() -> None:
    backups = [physical(0, "0/9000028"), physical(1, "0/5000028"), physical(2, "0/2000028", expired_at=NOW)]
    assert wal_needs.superfluous(backups, NAMES) == set(NAMES[:3])


def test_a_backup_on_its_way_counts() -> None:
    running = physical(1, "0/3000028", status=Status.RUNNING, finished_at=None)
    assert wal_needs.superfluous([physical(0, "0/9000028"), running], NAMES) == set(NAMES[:1])


@pytest.mark.parametrize(
    "backups",
    [
        [],
        [physical(1, "0/9000028", expired_at=NOW)],
        [physical(1, "0/9000028", status=Status.FAILED)],
        [physical(1, "0/9000028", status=Status.RUNNING)],
        [physical(1, "0/9000028"), physical(2, None)],
        [physical(number, "0/9000028", server_facts=facts(2**size)) for number, size in ((1, 24), (2, 20))],
        [physical(1, "0/0")],
    ],
    ids=["none", "expired", "failed", "running", "start unknown", "two segment sizes", "from the beginning"],
)  # fmt: skip
def test_all_of_it_stays(backups: list[Backup]) -> None:
    assert wal_needs.superfluous(backups, NAMES) == frozenset()


def test_history_files_stay_and_other_timelines_go_by_their_position() -> None:
    names = ["00000002.history", "000000020000000000000002", "000000020000000000000007"]
    backups = [physical(1, "0/6000028", server_facts=None)]
    assert wal_needs.superfluous(backups, names) == {names[1]}


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


@pytest.fixture
def archive(opened: Workspace) -> Path:
    """Nine segments, indexed, each in a file."""
    archive = opened.wal_archive("main")
    folder = archive / NAMES[0][:16]
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text(name)
    digest = hashlib.sha256(b"").hexdigest()
    index.append(
        archive,
        (
            WalSegment(name=name, path=f"{folder.name}/{name}", size_bytes=24, sha256=digest, archived_at=NOW)
            for name in NAMES
        ),
    )
    return archive


def left(archive: Path) -> list[str]:
    return sorted(path.name for path in (archive / NAMES[0][:16]).iterdir())


def test_the_files_and_their_lines_go_with_the_backup_that_needed_them(
    opened: Workspace, archive: Path
) -> None:
    for number, start in enumerate(["0/7000028", "0/2000028"]):
        places.stored(opened, physical(number, start))
    outcome = run.run(opened, "main-physical", now=NOW)
    assert (outcome.wal_segments, outcome.problems) == (5, ())
    assert left(archive) == NAMES[5:]
    assert [entry.name for entry in index.read(archive)] == NAMES[5:]
    assert run.run(opened, "main-physical", now=NOW).wal_segments == 0


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("{")], ids=["gone", "damaged"])
def test_nothing_goes_that_a_backup_may_need_whose_record_cannot_be_read(
    opened: Workspace, archive: Path, spoil: Callable[[Path], object]
) -> None:
    full = places.stored(opened, physical(2, "0/2000028"))
    child = places.stored(opened, physical(1, "0/4000028", parent=full))
    places.stored(opened, physical(0, "0/7000028"))
    record = opened.config.catalog_folder() / "backups" / child.plan / f"{child.id}.json"
    before = record.read_bytes()
    spoil(record)
    outcome = run.run(opened, "main-physical", now=NOW)
    assert left(archive) == NAMES
    assert places.folder_of(opened, full).exists()
    (problem,) = outcome.problems
    assert f"{child.id} in disk is not in the catalog, or its record cannot be read" in problem
    record.write_bytes(before)
    outcome = run.run(opened, "main-physical", now=NOW)
    assert (outcome.wal_segments, outcome.problems) == (5, ())
    assert not places.folder_of(opened, full).exists()


def test_a_logical_plan_alone_takes_no_wal(opened: Workspace, archive: Path) -> None:
    places.days(opened, 3)
    assert run.run(opened, "main-logical", now=NOW).wal_segments == 0
    assert left(archive) == NAMES


def test_a_link_in_the_archive_is_not_followed(opened: Workspace, archive: Path, tmp_path: Path) -> None:
    places.stored(opened, physical(0, "0/4000028"))
    folder = archive / NAMES[0][:16]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    outcome = run.run(opened, "main-physical", now=NOW)
    assert len(outcome.problems) == 2
    assert left(archive) == NAMES


def test_an_index_that_cannot_be_read_is_said(opened: Workspace, archive: Path) -> None:
    places.stored(opened, physical(0, "0/4000028"))
    (archive / wal_segments.INDEX_NAME).unlink()
    (archive / wal_segments.INDEX_NAME).mkdir()
    outcome = run.run(opened, "main-physical", now=NOW)
    assert "cannot be trimmed" in outcome.problems[0]
    assert left(archive) == NAMES
