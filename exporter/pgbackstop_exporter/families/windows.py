"""To which moments a server can be recovered: pure, from its physical backups and its WAL archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog.decisions.attempts import Attempt
from pgbackstop_catalog.decisions.wal_segments import Segment, WalGap, WalState


@dataclass(frozen=True, kw_only=True)
class Window:
    """From ``earliest`` to ``latest`` in Unix seconds, both included, without a gap; 0 and 0 is none."""

    earliest: float = 0.0
    latest: float = 0.0


def window(backups: Iterable[Attempt], state: WalState | None) -> Window:
    """The window that reaches the newest moment, by the server's clock, as the receiver found it.

    Without an archive of WAL each backup is a moment of its own, and so is one that is newer than what the
    archive reaches: the window is then the newest of them alone. A window that was still growing when the
    receiver looked ends with what it has received since.
    """
    newest = max((each.recoverable_from or each.finished for each in backups), default=0.0)
    if not newest:
        return Window()
    reaching = max(_windows(state), key=lambda each: each.latest, default=Window())
    if reaching.latest < newest:
        return Window(earliest=newest, latest=newest)
    return reaching


def _windows(state: WalState | None) -> Iterator[Window]:
    for each in state.windows if state else ():
        end = each.end.timestamp()
        if each.ends == "received" and state is not None and state.recoverable_until is not None:
            end = max(end, state.recoverable_until.timestamp())
        yield Window(earliest=each.start.timestamp(), latest=end)


def on_our_clock(moment: datetime, state: WalState | None) -> float:
    """A moment of the server's clock in Unix seconds of ours, by what the receiver measured."""
    offset = state.clock_offset_seconds if state else None
    return moment.timestamp() - (offset or 0.0)


def missing_segments(backups: Iterable[Attempt], state: WalState) -> int:
    """Segments that are missing for good, without those before the newest backup: it made up for them."""
    newest = max(backups, key=lambda each: each.finished, default=None)
    return sum(gap.segments for gap in state.gaps if newest is None or _breaks(gap, newest, state))


def _breaks(gap: WalGap, backup: Attempt, state: WalState) -> bool:
    """Whether a recovery that starts at the backup needs a segment of the gap."""
    if backup.timeline and gap.timeline < backup.timeline:
        return False
    last = Segment.parse(gap.last, state.segment_bytes)
    return backup.start_lsn // state.segment_bytes <= last.number
