"""Which segments are missing, since when, why, and whether a base backup made it harmless.

What is missing is computed from the index and the names in the archive; ``gaps.json`` only remembers when
each gap was found, why, and who acknowledged it, so that each is reported once and survives restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment, WalGap, WalGaps
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import BackupId
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.wal.archive import Archive

REMEMBERED = 100  # the newest; more would only make the state hard to read
NEVER_ARRIVED = "the server had removed it before it was received"
DELETED = "it was deleted from the archive"
DAMAGED = "it was read back and is damaged"
Awaited = Callable[[Segment, Segment], bool]  # whether one of the two, or of those between them, is


@dataclass
class Gaps:
    """The gaps of one archive. Raises OSError where they cannot be written."""

    archive: Archive
    damaged: Callable[[], frozenset[str]] = frozenset

    def __post_init__(self) -> None:
        self.known = self._read()

    @property
    def path(self) -> Path:
        """Where they are remembered."""
        return self.archive.root / wal_segments.GAPS_NAME

    @property
    def unacknowledged(self) -> tuple[WalGap, ...]:
        """Those that no base backup has made harmless yet."""
        return tuple(gap for gap in self.known if gap.acknowledged_by is None)

    @property
    def wanted_since(self) -> datetime | None:
        """Since when a base backup is wanted: it must start after the newest gap was found."""
        return max((gap.found_at for gap in self.unacknowledged), default=None)

    def look(self, awaited: Awaited = lambda _first, _last: False) -> tuple[WalGap, ...]:
        """Compare with the archive as it is now; returns the gaps that are new.

        What is ``awaited``, because the server still has it to send, is none yet.
        """
        size = self.archive.identity.segment_bytes
        gone, damaged = (
            {Segment.parse(name, size) for name in names if len(name) == 24}
            for names in (self.archive.lost(), self.damaged())
        )
        lost = gone | damaged
        segments = self.archive.segments()
        found = wal_segments.missing(segments, lost, self.archive.switches(), size)
        before = {(gap.first, gap.last): gap for gap in self.known}
        newest = max(segments, default=None)
        kept = [gap for gap in self.known if self._is_ahead(gap, newest)]
        new = []
        for first, last in found:
            gap = before.get((first.name(size), last.name(size)))
            if gap is None:
                if first not in lost and awaited(first, last):
                    continue
                reason = DELETED if first in gone else DAMAGED if first in damaged else NEVER_ARRIVED
                gap = self._gap(first, last, reason)
                new.append(gap)
            kept.append(gap)
        self._remember(kept)
        return tuple(new)

    def expect(self, first: Segment, last: Segment, reason: str) -> WalGap | None:
        """Record what will never arrive, before its successor shows it; None where that is known."""
        gap = self._gap(first, last, reason)
        if any((each.first, each.last) == (gap.first, gap.last) for each in self.known):
            return None
        self._remember([*self.known, gap])
        return gap

    def acknowledge(self, server: str, backups: Iterable[Backup]) -> BackupId | None:
        """Mark gaps harmless by a physical backup that started after them; ``backups`` are newest first."""
        wanted = self.wanted_since
        if wanted is None:
            return None
        for backup in backups:
            if backup.started_at <= wanted:
                return None
            if _is_base(backup, server):
                self._remember(
                    [gap.evolve(acknowledged_by=gap.acknowledged_by or backup.id) for gap in self.known]
                )
                return backup.id
        return None

    def _gap(self, first: Segment, last: Segment, reason: str) -> WalGap:
        size = self.archive.identity.segment_bytes
        return WalGap(
            timeline=first.timeline,
            first=first.name(size),
            last=last.name(size),
            segments=last.number - first.number + 1,
            found_at=_now(),
            reason=reason,
        )

    def _is_ahead(self, gap: WalGap, newest: Segment | None) -> bool:
        """Whether the archive has not reached the gap's end, so that it cannot show by itself yet."""
        last = Segment.parse(gap.last, self.archive.identity.segment_bytes)
        return newest is None or last > newest

    def _remember(self, gaps: Iterable[WalGap]) -> None:
        newest = tuple(sorted(set(gaps), key=lambda gap: (gap.found_at, gap.first)))[-REMEMBERED:]
        if newest != self.known:
            atomic.write(self.path, codec.encode(WalGaps(gaps=newest)), shared=True)
            self.known = newest

    def _read(self) -> tuple[WalGap, ...]:
        return read(self.archive.root)


def read(archive: Path) -> tuple[WalGap, ...]:
    """The gaps that are remembered; none where the file is not there or is no record."""
    path = archive / wal_segments.GAPS_NAME
    try:
        return codec.read(WalGaps, path).gaps
    except (OSError, errors.CatalogError):
        return ()


def _now() -> datetime:
    """In whole milliseconds, as it is read back: a gap is the same gap after a restart."""
    now = utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _is_base(backup: Backup, server: str) -> bool:
    return backup.server == server and backup.backup_type == "physical" and backup.status is Status.SUCCEEDED
