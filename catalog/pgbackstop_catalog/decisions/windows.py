"""Recovery windows: from when to when a server can be recovered, split where WAL is missing.

A window begins when a physical backup ends (consistent then, and not before) and reaches as far as the WAL
that follows it is archived without a break, through the timelines that continue its own. How far in time a
segment reaches is what the receiver observed (``covers_until``), never when it was archived: after an
outage, segments are archived hours after what they contain. So a window may claim a little less than can be
recovered, and never more. Moments are of the server's clock, which recovery goes by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment, Switch, WalState
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import BackupId

Ends = Literal["received", "gap", "archive"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Every moment from ``start`` to ``end`` can be recovered to, beginning from ``backup`` or a later one.

    ``ends`` is ``received`` where it ends with the newest byte received and still grows, ``gap`` where
    segments are missing, ``archive`` where the archive just has no more. ``reason`` says it in words.
    """

    start: datetime
    end: datetime
    ends: Ends
    reason: str
    backup: BackupId
    timeline: int


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Segments without a break, and the newest moment that they are known to cover."""

    first: Segment
    last: Segment
    covers_until: datetime | None


def windows(
    backups: Iterable[Backup],
    entries: Iterable[Entry],
    state: WalState | None,
    switches: Mapping[int, Switch] | None = None,
) -> tuple[Window, ...]:
    """The recovery windows of one server, the oldest first; ``backups`` and ``entries`` are its own.

    ``switches`` says where each timeline left its parent (``wal.parse_history`` of the ``.history``
    files); without it no window goes beyond a timeline's end.
    """
    reach = _Reach.of(entries, state, switches or {})
    by_end: dict[Segment, list[Window]] = {}
    for backup in _usable(list(backups), state):
        place, window = reach.window(backup)
        # Backups whose windows end in the same place have one window, which begins with the first.
        by_end.setdefault(place, []).append(window)
    merged = [_merge(group) for group in by_end.values()]
    return tuple(sorted(merged, key=lambda window: (window.start, window.end)))


def earliest(found: Iterable[Window]) -> datetime | None:
    """The earliest moment that can be recovered to; None where there is no window."""
    return min((window.start for window in found), default=None)


def latest(found: Iterable[Window]) -> datetime | None:
    """The latest moment that can be recovered to; None where there is no window."""
    return max((window.end for window in found), default=None)


def _merge(group: list[Window]) -> Window:
    first = min(group, key=lambda window: window.start)
    last = max(group, key=lambda window: window.end)
    return Window(
        start=first.start,
        end=last.end,
        ends=last.ends,
        reason=last.reason,
        backup=first.backup,
        timeline=last.timeline,
    )


def _usable(backups: list[Backup], state: WalState | None) -> list[Backup]:
    """Complete physical backups of this system whose parents are all there."""
    by_id = {backup.id: backup for backup in backups}
    return [
        backup
        for backup in backups
        if backup.backup_type == "physical"
        and backup.stop_lsn is not None
        and backup.timeline is not None
        and backup.finished_at is not None
        and _is_whole(backup, by_id)
        and _is_of(backup, state)
    ]


def _is_whole(backup: Backup, by_id: Mapping[str, Backup]) -> bool:
    seen: set[str] = set()
    while backup.is_available and backup.id not in seen:
        seen.add(backup.id)
        if backup.method == "full":
            return True
        parent = by_id.get(backup.parent or "")
        if parent is None:
            return False
        backup = parent
    return False


def _is_of(backup: Backup, state: WalState | None) -> bool:
    theirs = backup.system_identifier
    return not theirs or state is None or not state.system_identifier or theirs == state.system_identifier


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """The reach of the WAL from each place in it."""

    runs: Mapping[int, tuple[_Run, ...]]
    switches: Mapping[int, Switch]
    state: WalState | None
    segment_bytes: int

    @classmethod
    def of(cls, entries: Iterable[Entry], state: WalState | None, switches: Mapping[int, Switch]) -> _Reach:
        size = state.segment_bytes if state else wal_segments.DEFAULT_SEGMENT_BYTES
        covers = {
            Segment.parse(entry.name, size): entry.covers_until for entry in entries if entry.is_segment
        }
        for gap in state.gaps if state else ():
            first, last = Segment.parse(gap.first, size), Segment.parse(gap.last, size)
            for segment in [each for each in covers if first <= each <= last]:
                del covers[segment]
        by_timeline: dict[int, list[_Run]] = {}
        for run in _runs(covers):
            by_timeline.setdefault(run.first.timeline, []).append(run)
        return cls(
            runs={timeline: tuple(runs) for timeline, runs in by_timeline.items()},
            switches=switches,
            state=state,
            segment_bytes=size,
        )

    def window(self, backup: Backup) -> tuple[Segment, Window]:
        """The window of one backup, and the last segment that it reaches.

        A backup brings the WAL up to its own end, so what is needed begins with the segment after that.
        """
        assert backup.stop_lsn and backup.timeline is not None  # noqa: S101, PT018
        stop = wal_segments.parse_lsn(backup.stop_lsn)
        own = Segment(timeline=backup.timeline, number=max(0, stop - 1) // self.segment_bytes)
        run = self._run_at(own) or self._run_at(own.next())
        place, covered = self._follow(own, run, stop)
        ends, reason = self._why(place, stop)
        if ends == "received" and self.state is not None:
            # In a copy the archive may be newer than what was said of the receiver.
            covered = max(filter(None, (self.state.recoverable_until, covered)), default=None)
        window = Window(
            start=backup.recoverable_from,
            end=max(backup.recoverable_from, covered or backup.recoverable_from),
            ends=ends,
            reason=reason,
            backup=backup.id,
            timeline=place.timeline,
        )
        return place, window

    def _follow(self, place: Segment, run: _Run | None, stop: int) -> tuple[Segment, datetime | None]:
        """Go to the end of a run, and on through the timelines that continue it."""
        covered = None
        while True:
            if run is not None:
                place = run.last
                covered = max(filter(None, (covered, run.covers_until)), default=None)
            following = self._child(place, stop)
            if following is None:
                return place, covered
            run, stop = following

    def _child(self, place: Segment, stop: int) -> tuple[_Run, int] | None:
        """The run of the newest timeline that leaves this one where ``place`` has brought us."""
        for timeline in sorted(self.switches, reverse=True):
            switch = self.switches[timeline]
            if switch.parent != place.timeline or switch.lsn < stop:
                continue
            first = Segment(timeline=timeline, number=switch.lsn // self.segment_bytes)
            run = self._run_at(first)
            if run is not None and first.number <= place.number + 1:
                return run, switch.lsn
        return None

    def _why(self, place: Segment, stop: int) -> tuple[Ends, str]:
        size, following = self.segment_bytes, place.next().name(self.segment_bytes)
        beyond = [run for run in self.runs.get(place.timeline, ()) if run.first > place.next()]
        if beyond:
            last = Segment(timeline=place.timeline, number=beyond[0].first.number - 1)
            return "gap", f"segments {following} to {last.name(size)} are missing"
        if self.state is not None and any(gap.first <= following <= gap.last for gap in self.state.gaps):
            return "gap", f"segments from {following} on are missing"
        if self._is_live(place, stop):
            return "received", "the newest byte received"
        return "archive", f"the archive has nothing after {place.name(size)}"

    def _is_live(self, place: Segment, stop: int) -> bool:
        """Return whether what is being received now follows ``place`` without a break."""
        state = self.state
        if state is None or state.received_lsn is None or state.timeline != place.timeline:
            return False
        received = wal_segments.parse_lsn(state.received_lsn)
        return received >= stop and received // self.segment_bytes <= place.number + 1

    def _run_at(self, segment: Segment) -> _Run | None:
        runs = self.runs.get(segment.timeline, ())
        return next((run for run in runs if run.first <= segment <= run.last), None)


def _runs(covers: Mapping[Segment, datetime | None]) -> list[_Run]:
    found = []
    for first, last in wal_segments.runs(covers):
        numbers = range(first.number, last.number + 1)
        known = (covers[Segment(timeline=first.timeline, number=number)] for number in numbers)
        newest = max((moment for moment in known if moment is not None), default=None)
        found.append(_Run(first=first, last=last, covers_until=newest))
    return found
