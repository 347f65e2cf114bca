"""Recovery windows: never a moment too much, split where WAL is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions import wal_segments, windows
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment, Switch, WalGap, WalState
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.source import ServerFacts
from tests.support import factories

START = datetime(2026, 11, 22, 2, tzinfo=UTC)
SIZE = wal_segments.DEFAULT_SEGMENT_BYTES


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def entry(number: int, timeline: int = 1, covers: datetime | None = None) -> Entry:
    """A segment that covers its own minute, if nothing else is said."""
    name = Segment(timeline=timeline, number=number).name()
    return Entry(
        name=name,
        path=f"{name[:16]}/{name}",
        size_bytes=1,
        sha256="0" * 64,
        archived_at=minute(number + 500),
        covers_until=covers or minute(number),
    )


def backup(number: int, **changes: Any) -> Backup:
    """A base backup that begins and ends in segment ``number`` and finishes in that minute."""
    facts: dict[str, Any] = {
        "started_at": minute(number - 0.5),
        "start_lsn": wal_segments.format_lsn(number * SIZE + 40),
        "stop_lsn": wal_segments.format_lsn(number * SIZE + 900),
        "timeline": 1,
    }
    return factories.physical(number, minute(number), **{**facts, **changes})


def state(received: int | None = None, *, until: float | None = None, **changes: Any) -> WalState:
    """A receiver that is in the middle of segment ``received``."""
    values: dict[str, Any] = {
        "server": "main",
        "method": "stream",
        "status": "streaming",
        "started_at": START,
        "updated_at": START,
        "system_identifier": "7",
        "timeline": 1,
        "received_lsn": wal_segments.format_lsn(received * SIZE + 5000) if received is not None else None,
        "recoverable_until": minute(until) if until is not None else None,
    }
    return WalState(**{**values, **changes})


def spans(found: tuple[windows.Window, ...]) -> list[tuple[datetime, datetime, str]]:
    return [(each.start, each.end, each.ends) for each in found]


def test_nothing_comes_of_nothing() -> None:
    assert windows.windows([], [entry(1)], state(2)) == ()
    assert windows.earliest(()) is None
    assert windows.latest(()) is None


def test_a_window_reaches_to_the_newest_byte() -> None:
    found = windows.windows([backup(3)], map(entry, range(2, 9)), state(9, until=9.5))
    assert spans(found) == [(minute(3), minute(9.5), "received")]
    assert windows.earliest(found) == minute(3)
    assert windows.latest(found) == minute(9.5)


def test_it_begins_when_the_backup_was_complete_by_the_servers_clock() -> None:
    told = windows.windows([backup(1, consistent_at=minute(61))], [], state(1, until=63.5))
    assert spans(told) == [(minute(61), minute(63.5), "received")]
    ahead = ServerFacts(version="17.5", version_number=170005, clock_offset_seconds=3600)
    reckoned = windows.windows([backup(1, server_facts=ahead)], [], state(1, until=63.5))
    assert reckoned[0].start == minute(61)


def test_without_a_receiver_it_reaches_as_far_as_segments_cover() -> None:
    found = windows.windows([backup(3)], map(entry, range(3, 9)), None)
    assert spans(found) == [(minute(3), minute(8), "archive")]


def test_when_it_was_archived_says_nothing() -> None:
    entries = [entry(4), entry(5)._replace(covers_until=None)]
    assert spans(windows.windows([backup(3)], entries, None)) == [(minute(3), minute(4), "archive")]


def test_a_gap_splits_and_a_later_backup_begins_anew() -> None:
    entries = [entry(number) for number in (3, 4, 5, 8, 9, 10)]
    found = windows.windows([backup(9), backup(4), backup(3)], entries, state(11, until=11.5))
    assert spans(found) == [(minute(3), minute(5), "gap"), (minute(9), minute(11.5), "received")]
    assert "000000010000000000000006 to 000000010000000000000007 are missing" in found[0].reason
    assert found[0].backup == backup(3).id


def test_a_backup_inside_a_gap_is_a_moment_of_its_own() -> None:
    entries = [entry(number) for number in (3, 4, 10)]
    found = windows.windows([backup(3), backup(7)], entries, state(11, until=11.5))
    assert spans(found) == [(minute(3), minute(4), "gap"), (minute(7), minute(7), "gap")]


def test_a_deleted_segment_splits_though_the_index_has_it() -> None:
    name = Segment(timeline=1, number=5).name()
    gap = WalGap(timeline=1, first=name, last=name, segments=1, found_at=START)
    entries = [entry(number) for number in range(3, 9)]
    found = windows.windows([backup(3)], entries, state(9, until=9.5, gaps=(gap,)))
    assert spans(found) == [(minute(3), minute(4), "gap")]


def test_a_gap_that_nothing_follows_yet_ends_it_too() -> None:
    first, last = (Segment(timeline=1, number=number).name() for number in (5, 7))
    gap = WalGap(timeline=1, first=first, last=last, segments=3, found_at=START)
    found = windows.windows([backup(3)], [entry(3), entry(4)], state(8, until=8.5, gaps=(gap,)))
    assert spans(found) == [(minute(3), minute(4), "gap")]


def test_a_fresh_backup_counts_before_its_segment_is_complete() -> None:
    found = windows.windows([backup(3)], [entry(2)], state(3, until=3.5))
    assert spans(found) == [(minute(3), minute(3.5), "received")]


def test_what_is_received_elsewhere_is_not_its_end() -> None:
    entries = [entry(3), entry(4)]
    for other in (state(9, until=9), state(5, until=9, timeline=2), state()):
        assert spans(windows.windows([backup(3)], entries, other)) == [(minute(3), minute(4), "archive")]
    # The receiver is behind the backup: what it has received says nothing about the time after that.
    found = windows.windows([backup(9)], [entry(3)], state(4, until=4))
    assert spans(found) == [(minute(9), minute(9), "archive")]


def test_backups_that_cannot_be_restored_do_not_count() -> None:
    useless = [
        backup(3, status=Status.FAILED),
        backup(3, expired_at=START),
        backup(3, backup_type="logical"),
        backup(3, stop_lsn=None),
        backup(3, timeline=None),
        backup(3, finished_at=None),
        backup(3, server_facts=ServerFacts(version="17", version_number=170000, system_identifier="8")),
        backup(3, method="incremental"),
        backup(3, parent=backup(9)),
    ]
    for each in useless:
        assert windows.windows([each], [entry(3), entry(4)], state(5, until=5)) == ()


def test_an_incremental_one_needs_all_its_parents() -> None:
    full, middle = backup(3), backup(4, parent=backup(3))
    last = backup(5, parent=middle)
    entries = [entry(number) for number in (6, 7)]
    found = windows.windows([full, middle, last], entries, None)
    assert (minute(5), minute(7), "archive") in spans(found)
    broken = middle.evolve(expired_at=START)
    assert minute(5) not in [each.start for each in windows.windows([full, broken, last], entries, None)]
    loop = middle.evolve(parent=last.id)
    assert spans(windows.windows([loop, last], entries, None)) == []


def test_it_goes_on_through_a_promotion() -> None:
    switches = {2: Switch(parent=1, lsn=6 * SIZE + 100), 3: Switch(parent=1, lsn=9 * SIZE)}
    entries = [*(entry(number) for number in (3, 4, 5)), *(entry(number, 2) for number in (6, 7))]
    live = state(8, until=8.5, timeline=2)
    found = windows.windows([backup(3)], entries, live, switches)
    assert spans(found) == [(minute(3), minute(8.5), "received")]
    assert found[0].timeline == 2
    assert spans(windows.windows([backup(3)], entries, live)) == [(minute(3), minute(5), "archive")]
    late = backup(6, stop_lsn=wal_segments.format_lsn(6 * SIZE + 200))
    assert spans(windows.windows([late], entries, live, switches)) == [(minute(6), minute(6), "archive")]
    hole = [each for each in entries if each.name != Segment(timeline=1, number=5).name()]
    assert spans(windows.windows([backup(3)], hole, live, switches)) == [(minute(3), minute(4), "archive")]


@given(
    st.sets(st.integers(1, 40)),
    st.sets(st.integers(1, 40), max_size=5),
    st.one_of(st.none(), st.integers(1, 41)),
)
def test_no_window_claims_a_minute_without_its_segment(
    numbers: set[int], taken: set[int], received: int | None
) -> None:
    live = state(received, until=received) if received is not None else None
    found = windows.windows(map(backup, taken), map(entry, numbers), live)
    for each in found:
        first = round((each.start - START).total_seconds() / 60)
        last = round((each.end - START).total_seconds() / 60)
        partial = {received} if each.ends == "received" else set()
        assert set(range(first + 1, last + 1)) <= numbers | partial
    assert {each.start for each in found} <= {minute(number) for number in taken}
    assert all(any(each.start <= minute(number) <= each.end for each in found) for number in taken)
