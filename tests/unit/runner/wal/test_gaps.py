"""Gaps are found once, survive restarts, and are made harmless by a base backup that starts after them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.wal.archive import Archive
from pgbackstop_runner.wal.gaps import Gaps, read
from tests.support import factories
from tests.unit.runner.wal import makers


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Segments 1, 2 and 5 are archived."""
    archive = makers.opened(tmp_path)
    for number in (1, 2, 5):
        makers.arrive(archive, number)
    archive.take(archive.waiting(archive.receiving))
    return archive


def backup(seconds: float, **changes: Any) -> Backup:
    """A physical backup that started so many seconds from now."""
    moment = utc_now() + timedelta(seconds=seconds)
    return factories.physical(0, moment, started_at=moment, **changes)


def spans(gaps: Gaps) -> list[tuple[str, str, int]]:
    return [(gap.first, gap.last, gap.segments) for gap in gaps.known]


def test_a_jump_is_one_gap(archive: Archive) -> None:
    gaps = Gaps(archive)
    assert len(gaps.look()) == 1
    assert spans(gaps) == [(makers.name(3), makers.name(4), 2)]
    assert "removed" in gaps.known[0].reason
    assert gaps.look() == ()
    again = Gaps(archive)
    assert again.known == gaps.known == read(archive.root)
    assert again.look() == ()


def test_a_damaged_segment_is_a_gap_until_it_is_good_again(archive: Archive) -> None:
    found = {makers.name(2)}
    gaps = Gaps(archive, lambda: frozenset(found))
    gaps.look()
    # It lies beside what never arrived.
    assert spans(gaps) == [(makers.name(2), makers.name(4), 3)]
    assert gaps.known[0].reason == "it was read back and is damaged"
    found.clear()
    gaps.look()
    assert spans(gaps) == [(makers.name(3), makers.name(4), 2)]


def test_a_deleted_file_is_a_gap_until_it_is_back(archive: Archive) -> None:
    gaps = Gaps(archive)
    gaps.look()
    path = archive.root / archive.index.entries[makers.name(5)].path
    kept = path.rename(archive.root / "kept")
    assert [(gap.first, gap.reason) for gap in gaps.look()] == [(makers.name(3), gaps.known[-1].reason)]
    assert gaps.known[-1].last == makers.name(5)
    kept.rename(path)
    gaps.look()
    assert spans(gaps) == [(makers.name(3), makers.name(4), 2)]


def test_what_will_never_arrive_is_known_before_its_successor_comes(archive: Archive) -> None:
    gaps = Gaps(archive)
    gaps.look()
    first, last = Segment(timeline=1, number=6), Segment(timeline=1, number=7)
    assert gaps.expect(first, last, "the slot was dropped") is not None
    assert gaps.expect(first, last, "the slot was dropped") is None
    assert gaps.look() == ()
    found_at = gaps.known[-1].found_at
    makers.arrive(archive, 8)
    archive.take(archive.waiting(archive.receiving))
    assert gaps.look() == ()
    assert gaps.known[-1].found_at == found_at
    assert gaps.known[-1].reason == "the slot was dropped"


def test_what_was_expected_to_be_missing_and_came_is_none(archive: Archive) -> None:
    gaps = Gaps(archive)
    gaps.expect(Segment(timeline=1, number=6), Segment(timeline=1, number=6), "too early a word")
    makers.arrive(archive, 6)
    archive.take(archive.waiting(archive.receiving))
    gaps.look()
    assert spans(gaps) == [(makers.name(3), makers.name(4), 2)]


@pytest.mark.parametrize(
    ("seconds", "changes", "helps"),
    [
        (60, {}, True),
        (-60, {}, False),
        (60, {"status": Status.RUNNING}, False),
        (60, {"backup_type": "logical"}, False),
        (60, {"server": "other"}, False),
    ],
)
def test_only_a_base_backup_that_starts_after_it_makes_it_harmless(
    archive: Archive, seconds: float, changes: dict[str, Any], helps: bool
) -> None:
    made = backup(seconds, **changes)  # not when tests are collected: that may be minutes ago
    gaps = Gaps(archive)
    assert gaps.acknowledge("main", [made]) is None
    gaps.look()
    assert gaps.wanted_since == gaps.known[0].found_at
    assert gaps.acknowledge("main", [made]) == (made.id if helps else None)
    assert (gaps.wanted_since is None) == helps
    assert Gaps(archive).known[0].acknowledged_by == (made.id if helps else None)


def test_garbage_in_its_memory_is_no_crash(archive: Archive) -> None:
    (archive.root / "gaps.json").write_text("garbage")
    gaps = Gaps(archive)
    assert gaps.known == ()
    assert len(gaps.look()) == 1
