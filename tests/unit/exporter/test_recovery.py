"""The window to which a server can be recovered: gaps, timelines, and no archive at all."""

from datetime import datetime, timedelta

import pytest

from pgbackstop_catalog import history
from pgbackstop_catalog.history import Attempt
from pgbackstop_catalog.wal import WalGap
from pgbackstop_exporter import recovery
from pgbackstop_exporter.recovery import Window
from tests.unit.exporter.builders import DAY, NOW, physical
from tests.unit.exporter.filled import wal_state

SEGMENT = 16 * 2**20


def at(days_ago: int, segment: int, timeline: int | None = 1) -> Attempt:
    """A base backup of that day whose WAL begins in that segment."""
    start = f"0/{segment * SEGMENT + 0x28:X}"
    return history.attempt(physical(NOW - days_ago * DAY, start_lsn=start, timeline=timeline))


def gap(first: int, last: int, timeline: int = 1) -> WalGap:
    names = (f"{timeline:08X}{0:08X}{number:08X}" for number in (first, last))
    first_name, last_name = names
    return WalGap(
        timeline=timeline, first=first_name, last=last_name, segments=last - first + 1, found_at=NOW
    )


def unix(moment: datetime) -> float:
    return moment.timestamp()


def test_nothing_is_recoverable_without_a_base_backup() -> None:
    assert recovery.window([], wal_state()) == Window()


def test_without_an_archive_only_the_newest_backup_is() -> None:
    moment = unix(NOW - DAY)
    assert recovery.window([at(3, 2), at(1, 4)], None) == Window(earliest=moment, latest=moment)


def test_with_an_unbroken_archive_it_begins_at_the_end_of_the_oldest_backup() -> None:
    found = recovery.window([at(1, 4), at(3, 2)], wal_state(gaps=()))
    assert found == Window(earliest=unix(NOW - 3 * DAY), latest=unix(NOW))


@pytest.mark.parametrize("until", [None, NOW - 2 * DAY])
def test_an_archive_that_does_not_reach_the_newest_backup_does_not_widen_it(until: datetime | None) -> None:
    moment = unix(NOW - DAY)
    found = recovery.window([at(3, 2), at(1, 4)], wal_state(gaps=(), recoverable_until=until))
    assert found == Window(earliest=moment, latest=moment)


def test_a_gap_ends_what_was_before_it() -> None:
    found = recovery.window([at(3, 2), at(1, 9)], wal_state(gaps=(gap(4, 5),)))
    assert found == Window(earliest=unix(NOW - DAY), latest=unix(NOW))


def test_a_gap_after_every_backup_leaves_the_newest_alone() -> None:
    moment = unix(NOW - DAY)
    found = recovery.window([at(3, 2), at(1, 4)], wal_state(gaps=(gap(6, 7),)))
    assert found == Window(earliest=moment, latest=moment)


def test_a_gap_of_an_earlier_timeline_does_not_matter() -> None:
    found = recovery.window([at(1, 2, timeline=2)], wal_state(gaps=(gap(4, 5),)))
    assert found == Window(earliest=unix(NOW - DAY), latest=unix(NOW))


@pytest.mark.parametrize(
    ("backups", "missing"),
    [([], 2), ([at(3, 2)], 2), ([at(3, 2), at(1, 9)], 0), ([at(1, 2, timeline=None)], 2)],
)
def test_segments_are_missing_until_a_base_backup_makes_up_for_them(
    backups: list[Attempt], missing: int
) -> None:
    assert recovery.missing_segments(backups, wal_state(gaps=(gap(4, 5),))) == missing


def test_the_archive_goes_on_after_the_newest_backup() -> None:
    later = NOW + timedelta(hours=1)
    assert recovery.window([at(1, 2)], wal_state(gaps=(), recoverable_until=later)).latest == unix(later)
