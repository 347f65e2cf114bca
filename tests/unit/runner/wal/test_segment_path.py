"""The way through an archive, against one that is walked by hand."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions.recovery import RecoveryPlan, Target
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment, Switch, format_lsn
from pgbackstop_runner.wal import segment_path
from tests.support import factories
from tests.support.factories import NOW

SIZE = 16 << 20
START, STOP = 4, 6  # the segments in which the backup began and ended
BACKUP = factories.physical(
    1, NOW, start_lsn=format_lsn(START * SIZE + 40), stop_lsn=format_lsn(STOP * SIZE + 100), timeline=1
)
LATEST = Target(kind="latest")


def archive(*numbers: Iterable[int], timeline: int = 1) -> dict[str, Entry]:
    """Segments, each of which covers one more minute."""
    found = {}
    for number in (each for part in numbers for each in part):
        name = Segment(timeline=timeline, number=number).name(SIZE)
        until = NOW + timedelta(minutes=number)
        found[name] = Entry(name, f"{name[:16]}/{name}.lz4", 10, "", until, until)
    return found


def found(target: Target, entries: dict[str, Entry], *, timeline: int = 1, **more: Switch) -> list[str]:
    """The way as "timeline:segment"."""
    switches = {int(name.removeprefix("t")): switch for name, switch in more.items()}
    chosen = RecoveryPlan(chain=(BACKUP,), target=target, timeline=timeline, window=None, reason="")
    segments = (
        Segment.parse(entry.name, SIZE)
        for entry in segment_path.find(chosen, entries, switches, SIZE).entries
    )
    return [f"{segment.timeline}:{segment.number}" for segment in segments]


def test_to_the_end() -> None:
    assert found(LATEST, archive(range(1, 9))) == ["1:4", "1:5", "1:6", "1:7", "1:8"]


def test_to_the_first_that_is_missing() -> None:
    assert found(LATEST, archive(range(4, 9), range(10, 12))) == [f"1:{n}" for n in range(4, 9)]


def test_what_the_backup_brings_itself_is_not_missed() -> None:
    """pg_basebackup streams the WAL between its start and its end into the backup."""
    assert found(LATEST, archive([6, 7])) == ["1:6", "1:7"]
    assert found(LATEST, archive([7, 8])) == ["1:7", "1:8"]


def test_nothing_archived_ends_with_the_backup() -> None:
    chosen = RecoveryPlan(chain=(BACKUP,), target=LATEST, timeline=1, window=None, reason="")
    assert segment_path.find(chosen, {}, {}, SIZE) == segment_path.SegmentPath(
        entries=(), end=STOP * SIZE + 100
    )


def test_only_the_backup_needs_none() -> None:
    assert found(Target(kind="immediate"), archive(range(4, 9))) == []


@pytest.mark.parametrize(("minute", "last"), [(6, 7), (6.5, 7), (7, 8)])
def test_a_moment_needs_the_segment_that_goes_beyond_it(minute: float, last: int) -> None:
    target = Target(kind="time", value="", moment=NOW + timedelta(minutes=minute))
    assert found(target, archive(range(4, 12)))[-1] == f"1:{last}"


def test_a_position_needs_the_segment_after_it_as_well() -> None:
    """A record may begin in one and end in the next."""
    target = Target(kind="lsn", value=format_lsn(7 * SIZE + 8))
    assert found(target, archive(range(4, 12)))[-1] == "1:8"


def test_along_the_timelines_to_the_target() -> None:
    """The first timeline went on to 9 after the second had left it in 7; nothing of that counts."""
    entries = {**archive(range(4, 10)), **archive(range(7, 10), timeline=2)}
    left = Switch(parent=1, lsn=7 * SIZE + 500)
    assert found(LATEST, entries, timeline=2, t2=left) == ["1:4", "1:5", "1:6", "2:7", "2:8", "2:9"]
    # To the one that was left, as if the other had never been.
    assert found(LATEST, entries, timeline=1, t2=left) == [f"1:{n}" for n in range(4, 10)]


def test_the_old_timelines_copy_where_the_new_one_never_archived_its_first() -> None:
    entries = {**archive(range(4, 10)), **archive([8], timeline=2)}
    left = Switch(parent=1, lsn=7 * SIZE + 500)
    assert found(LATEST, entries, timeline=2, t2=left)[-2:] == ["1:7", "2:8"]


def test_a_backup_without_positions_has_no_way() -> None:
    bare = RecoveryPlan(
        chain=(BACKUP.evolve(start_lsn=None),), target=LATEST, timeline=1, window=None, reason=""
    )
    assert segment_path.find(bare, archive(range(4, 9)), {}, SIZE) == segment_path.SegmentPath(
        entries=(), end=0
    )


@given(st.sets(st.integers(1, 30)))
def test_it_is_whole(numbers: set[int]) -> None:
    """After the backup's own end no number is left out, and the end is the last one's."""
    chosen = RecoveryPlan(chain=(BACKUP,), target=LATEST, timeline=1, window=None, reason="")
    result = segment_path.find(chosen, archive(numbers), {}, SIZE)
    taken = [Segment.parse(entry.name, SIZE).number for entry in result.entries]
    after = [number for number in taken if number > STOP]
    assert after == list(range(STOP + 1, STOP + 1 + len(after)))
    assert STOP + 1 + len(after) not in numbers
    assert {number for number in numbers if START <= number <= STOP} == {n for n in taken if n <= STOP}
    assert result.end == max([STOP * SIZE + 100, *((number + 1) * SIZE for number in taken)])
