"""The way through an archive: one segment after the other, along the timelines that lead to the target. Pure.

Segments of timelines that were left behind lie in the same archive under other names, often with higher
numbers than those that count: they are no part of the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgbackstop_catalog.decisions import recovery, wal_segments
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment, Switch


@dataclass(frozen=True, kw_only=True)
class SegmentPath:
    """The archived segments in order, and the position in bytes where they, or the backup's own, end."""

    entries: tuple[Entry, ...]
    end: int


def find(
    chosen: RecoveryPlan, entries: Mapping[str, Entry], switches: Mapping[int, Switch], segment_bytes: int
) -> SegmentPath:
    """From the backup's start to the first segment that is missing, or that reaches beyond the target.

    The backup brings the WAL between its start and its stop itself, so what lacks there is not missing.
    """
    backup = chosen.backup
    if backup.start_lsn is None or backup.stop_lsn is None:
        return SegmentPath(entries=(), end=0)
    stop = wal_segments.parse_lsn(backup.stop_lsn)
    number, own = wal_segments.parse_lsn(backup.start_lsn) // segment_bytes, max(0, stop - 1) // segment_bytes
    found: list[Entry] = []
    end = stop
    while chosen.target.kind != "immediate":
        entry = _at(number, chosen.timeline, entries, switches, segment_bytes)
        if entry is None and number > own:
            break
        number += 1
        if entry is not None:
            found.append(entry)
            end = max(end, number * segment_bytes)
            if _is_enough(chosen, entry, number, segment_bytes):
                break
    return SegmentPath(entries=tuple(found), end=end)


def _is_enough(chosen: RecoveryPlan, entry: Entry, following: int, segment_bytes: int) -> bool:
    target = chosen.target
    if target.kind == "time" and target.moment is not None:
        return entry.covers_until is not None and entry.covers_until > target.moment
    if target.kind == "lsn":
        # The record at that position may go on in the segment after it.
        return following > wal_segments.parse_lsn(target.value) // segment_bytes + 1
    return False


def _at(
    number: int, timeline: int, entries: Mapping[str, Entry], switches: Mapping[int, Switch], size: int
) -> Entry | None:
    """The segment of that number, of the newest timeline that has it, as PostgreSQL asks for it."""
    for each in _timelines(number, timeline, switches, size):
        entry = entries.get(Segment(timeline=each, number=number).name(size))
        if entry is not None:
            return entry
    return None


def _timelines(number: int, timeline: int, switches: Mapping[int, Switch], size: int) -> Iterator[int]:
    """The timelines of the way that have the segment; where one leaves another, both have it."""
    for each, left in recovery.lineage(timeline, switches).items():
        begun = switches[each].lsn // size if each in switches else 0
        if begun <= number and (left is None or number <= left // size):
            yield each
