"""Which segments of a WAL archive are read again: each has its turn, and what was found stays known."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions import wal_readings
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment
from tests.support.factories import DAY, NOW

INTERVAL = 3 * 86400.0
NOTHING = WalReadings(server="main", updated_at=NOW)


def entry(number: int, archived: datetime = NOW - 10 * DAY) -> Entry:
    name = Segment(timeline=1, number=number).name()
    return Entry(name, f"{name[:16]}/{name}", 10, "0" * 64, archived, None)


def archive(*entries: Entry) -> dict[str, Entry]:
    return {each.name: each for each in entries}


def due(entries: dict[str, Entry], known: WalReadings = NOTHING, now: datetime = NOW) -> list[str]:
    return [each.name for each in wal_readings.due(entries, known, interval=INTERVAL, now=now)]


ONE, TWO, THREE = entry(1), entry(2, NOW - 9 * DAY), entry(3, NOW - DAY)


def test_the_longest_not_read_first_and_archiving_counts_as_reading() -> None:
    assert due(archive(THREE, TWO, ONE)) == [ONE.name, TWO.name]


def test_what_was_read_waits_for_its_interval() -> None:
    entries = archive(ONE, TWO)
    known = wal_readings.after(NOTHING, entries, [ONE], {}, NOW)
    assert due(entries, known) == [TWO.name]
    assert due(entries, known, NOW + 3 * DAY) == [TWO.name, ONE.name]
    assert known.oldest == TWO.archived_at
    assert known.spent(NOW) == 10


def test_what_was_archived_after_a_reading_between_its_names_was_not_read() -> None:
    known = wal_readings.after(NOTHING, archive(ONE, THREE), [ONE, THREE], {}, NOW)
    late = entry(2, NOW + DAY)
    assert wal_readings.last_read([late], known) == {late.name: NOW + DAY}


def test_what_is_between_two_that_were_read_was_not_read() -> None:
    entries = archive(ONE, TWO, THREE)
    known = wal_readings.after(NOTHING, entries, [ONE, THREE], {}, NOW)
    assert [(each.first, each.last) for each in known.readings] == [
        (ONE.name, ONE.name),
        (THREE.name, THREE.name),
    ]
    assert due(entries, known) == [TWO.name]


def test_a_damaged_one_is_read_each_time_until_it_is_good_or_gone() -> None:
    entries = archive(ONE, TWO)
    known = wal_readings.after(NOTHING, entries, [ONE, TWO], {TWO.name: "a bit"}, NOW)
    assert [(each.name, each.problem) for each in known.damaged] == [(TWO.name, "a bit")]
    assert due(entries, known) == [TWO.name]
    still = wal_readings.after(known, entries, [TWO], {TWO.name: "a bit"}, NOW + DAY)
    assert still.damaged[0].found_at == NOW
    assert wal_readings.after(still, entries, [ONE], {}, NOW + DAY).damaged == still.damaged
    assert wal_readings.after(still, entries, [TWO], {}, NOW + DAY).damaged == ()
    assert wal_readings.after(still, archive(ONE), [], {}, NOW + DAY).damaged == ()


def test_stretches_that_nothing_needs_are_forgotten() -> None:
    entries = archive(ONE, TWO)
    known = wal_readings.after(NOTHING, entries, [ONE, TWO], {}, NOW)
    again = wal_readings.after(known, entries, [ONE, TWO], {}, NOW + 4 * DAY)
    assert [each.read_at for each in again.readings] == [NOW + 4 * DAY]


def test_an_empty_archive_has_no_oldest_reading() -> None:
    assert wal_readings.after(NOTHING, {}, [], {}, NOW).oldest is None


@given(st.integers(1, 12), st.integers(1, 4))
def test_every_segment_has_its_turn(count: int, each_night: int) -> None:
    entries = archive(*(entry(number) for number in range(count)))
    known, read, now = NOTHING, set[str](), NOW
    for _ in range(count + 1):
        chosen = [entries[name] for name in due(entries, known, now)[:each_night]]
        read |= {each.name for each in chosen}
        known = wal_readings.after(known, entries, chosen, {}, now)
        now += DAY
    assert read == set(entries)


@pytest.mark.parametrize("number", [1, 2])
def test_history_files_are_read_as_well(number: int) -> None:
    history = Entry(f"0000000{number}.history", "x", 10, "0" * 64, NOW - 10 * DAY, None)
    entries = archive(ONE, history)
    assert history.name in due(entries)
    assert due(entries, wal_readings.after(NOTHING, entries, entries.values(), {}, NOW)) == []
