"""Which WAL the physical backups need that are kept. Pure.

A backup needs the WAL from its start on; one segment more is kept. While one backup's start is not known,
or there is no physical backup at all, everything stays. History files stay for ever: they are tiny, and
the map of the timelines.
"""

from __future__ import annotations

from collections.abc import Iterable

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup


def superfluous(backups: Iterable[Backup], names: Iterable[str]) -> frozenset[str]:
    """The segments that no available or running physical backup can need."""
    needing = [each for each in backups if each.is_available or each.status is Status.RUNNING]
    kept = [each for each in needing if each.is_available]
    if not kept or any(each.start_lsn is None for each in kept):
        return frozenset()
    first = min(_first_number(each) for each in needing if each.start_lsn is not None)
    sizes = {_segment_bytes(each) for each in kept}
    if len(sizes) != 1:
        return frozenset()  # numbers of segments of different sizes cannot be compared
    size = sizes.pop()
    return frozenset(
        name
        for name in names
        if wal_segments.SEGMENT_NAME.fullmatch(name) and Segment.parse(name, size).number < first
    )


def _first_number(backup: Backup) -> int:
    """The segment of its start, minus one."""
    return wal_segments.parse_lsn(backup.start_lsn or "0/0") // _segment_bytes(backup) - 1


def _segment_bytes(backup: Backup) -> int:
    facts = backup.server_facts
    return (facts.wal_segment_bytes if facts else None) or wal_segments.DEFAULT_SEGMENT_BYTES
