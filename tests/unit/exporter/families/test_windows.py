"""The window to which a server can be recovered: gaps, timelines, and no archive at all."""

from datetime import datetime

import pytest

from pgbackstop_catalog.decisions.attempts import Attempt, attempt_of
from pgbackstop_catalog.decisions.wal_segments import WalGap, WalWindow
from pgbackstop_catalog.decisions.windows import Ends
from pgbackstop_exporter.families import windows
from pgbackstop_exporter.families.windows import Window
from tests.support.factories import DAY, NOW, weekly
from tests.unit.exporter.filled import wal_state

SEGMENT = 16 * 2**20


def at(days_ago: int, segment: int, timeline: int | None = 1) -> Attempt:
    """A base backup of that day whose WAL begins in that segment."""
    start = f"0/{segment * SEGMENT + 0x28:X}"
    return attempt_of(weekly(NOW - days_ago * DAY, start_lsn=start, timeline=timeline))


def gap(first: int, last: int, timeline: int = 1) -> WalGap:
    names = (f"{timeline:08X}{0:08X}{number:08X}" for number in (first, last))
    first_name, last_name = names
    return WalGap(
        timeline=timeline, first=first_name, last=last_name, segments=last - first + 1, found_at=NOW
    )


def unix(moment: datetime) -> float:
    return moment.timestamp()


def test_nothing_is_recoverable_without_a_base_backup() -> None:
    assert windows.window([], wal_state()) == Window()


def test_without_an_archive_only_the_newest_backup_is() -> None:
    moment = unix(NOW - DAY)
    assert windows.window([at(3, 2), at(1, 4)], None) == Window(earliest=moment, latest=moment)


def span(start: int, end: int, ends: Ends) -> WalWindow:
    """From ``start`` to ``end`` days ago."""
    return WalWindow(
        start=NOW - start * DAY, end=NOW - end * DAY, ends=ends, backup="20261101T030000Z-000000"
    )


def test_a_window_that_grows_ends_with_what_was_received_since() -> None:
    state = wal_state(windows=(span(3, 1, "received"),))
    found = windows.window([at(1, 4), at(3, 2)], state)
    assert found == Window(earliest=unix(NOW - 3 * DAY), latest=unix(NOW))


def test_a_window_ends_where_it_was_seen_while_nothing_is_known_to_be_received() -> None:
    state = wal_state(windows=(span(3, 0, "received"),), recoverable_until=None)
    assert windows.window([at(3, 2)], state).latest == unix(NOW)


def test_a_window_that_ended_grows_no_more() -> None:
    state = wal_state(windows=(span(3, 2, "gap"),))
    moment = unix(NOW - DAY)
    assert windows.window([at(3, 2), at(1, 4)], state) == Window(earliest=moment, latest=moment)


def test_of_several_windows_the_one_that_reaches_farthest_counts() -> None:
    state = wal_state(windows=(span(9, 5, "gap"), span(3, 2, "received")))
    found = windows.window([at(9, 1), at(3, 2)], state)
    assert found == Window(earliest=unix(NOW - 3 * DAY), latest=unix(NOW))


def test_an_archive_that_begins_after_the_backup_widens_nothing() -> None:
    moment = unix(NOW - DAY)
    assert windows.window([at(1, 4)], wal_state()) == Window(earliest=moment, latest=moment)


@pytest.mark.parametrize(
    ("backups", "missing"),
    [([], 2), ([at(3, 2)], 2), ([at(3, 2), at(1, 9)], 0), ([at(1, 2, timeline=None)], 2)],
)
def test_segments_are_missing_until_a_base_backup_makes_up_for_them(
    backups: list[Attempt], missing: int
) -> None:
    assert windows.missing_segments(backups, wal_state(gaps=(gap(4, 5),))) == missing
