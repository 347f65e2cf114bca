"""WAL segments: names, arithmetic, timelines, what is archived, and the gaps in it.

A segment's name is three times eight hexadecimal digits: timeline, log, segment. With 16 MB segments a
log has 256 of them: https://www.postgresql.org/docs/current/wal-internals.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import Field

from pgbackstop_catalog.model import Count, Model, Seconds, SegmentBytes, Timeline, UtcTime
from pgbackstop_catalog.records.attempt import Name, RelativePath
from pgbackstop_catalog.records.ids import BackupId
from pgbackstop_catalog.records.source import Lsn

DEFAULT_SEGMENT_BYTES = 16 * 2**20
INDEX_NAME = "index.jsonl"
GAPS_NAME = "gaps.json"
IDENTITY_NAME = "archive.json"
STATE_NAME = "state.json"  # in a further storage: what the receiver said
RECEIVING_NAME = "receiving"  # where pg_receivewal writes; its .partial holds the newest bytes
INCOMING_NAME = "incoming"  # where the archive_command puts segments
ASIDE_NAME = "aside"  # a .partial of an earlier connection, until its segment is complete
CONFLICTS_NAME = "conflicts"
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
_SEGMENT = r"^[0-9A-F]{24}$"
_LSN = r"[0-9A-F]{1,8}/[0-9A-F]{1,8}"
HISTORY_NAME = re.compile(r"[0-9A-F]{8}\.history")


@dataclass(frozen=True, kw_only=True, order=True)
class Segment:
    """A place in the WAL: ``number`` counts segments from LSN 0, so that neighbours differ by one."""

    timeline: int
    number: int

    @classmethod
    def parse(cls, name: str, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> Segment:
        """From its 24 hexadecimal digits. Raises ValueError for anything else."""
        if not SEGMENT_NAME.fullmatch(name):
            msg = f"{name!r} is no name of a WAL segment"
            raise ValueError(msg)
        per_log = 2**32 // segment_bytes
        timeline, log, segment = (int(name[start : start + 8], 16) for start in (0, 8, 16))
        return cls(timeline=timeline, number=log * per_log + segment)

    def name(self, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> str:
        """Its 24 hexadecimal digits."""
        log, segment = divmod(self.number, 2**32 // segment_bytes)
        return f"{self.timeline:08X}{log:08X}{segment:08X}"

    def next(self) -> Segment:
        """Its neighbour on the same timeline."""
        return Segment(timeline=self.timeline, number=self.number + 1)


def parse_lsn(text: str) -> int:
    """Bytes since the beginning of the WAL. Raises ValueError."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(position: int) -> str:
    """``16/B374D848``, as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def segment_of(lsn: str, timeline: int, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> Segment:
    """The segment that holds the byte at ``lsn``."""
    return Segment(timeline=timeline, number=parse_lsn(lsn) // segment_bytes)


class WalSegment(Model):
    """One line of the index: a segment, or a ``.history`` file, that is archived durably."""

    name: str = Field(pattern=r"^([0-9A-F]{24}|[0-9A-F]{8}\.history)$")
    path: RelativePath = Field(description="relative to the archive of the server")
    size_bytes: Count = Field(description="bytes stored")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the bytes stored")
    archived_at: UtcTime
    covers_until: UtcTime | None = Field(
        default=None,
        description="everything committed by then, by the server's clock, is in this segment or before it; "
        "absent where that was not observed",
    )
    stored_bytes: Count | None = Field(
        default=None, description="in an encrypted storage: its size there; size_bytes and sha256 are inside"
    )
    stored_sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="in an encrypted storage: of the bytes there"
    )


class WalIdentity(Model):
    """``archive.json``: whose WAL the archive holds, so that two clusters never mix in one archive."""

    record_version: Literal[1] = 1
    system_identifier: str
    segment_bytes: SegmentBytes = DEFAULT_SEGMENT_BYTES


class WalGap(Model):
    """Segments that are missing: ``first`` to ``last``, both included."""

    timeline: Timeline
    first: str = Field(pattern=_SEGMENT)
    last: str = Field(pattern=_SEGMENT)
    segments: Count
    found_at: UtcTime
    reason: str = ""
    acknowledged_by: BackupId | None = Field(
        default=None, description="the physical backup, started after it, that made it harmless"
    )


class WalGaps(Model):
    """``gaps.json``: the gaps of an archive that are known, so that each is reported once."""

    record_version: Literal[1] = 1
    gaps: tuple[WalGap, ...] = ()


class WalConflict(Model):
    """A segment that arrived twice with different content; the first was kept."""

    name: str
    found_at: UtcTime
    kept_as: RelativePath


class WalWindow(Model):
    """A recovery window, as ``window.windows`` found it; one that ends ``received`` grows on."""

    start: UtcTime
    end: UtcTime
    ends: Literal["received", "gap", "archive"]
    backup: BackupId


class WalState(Model):
    """The state of a WAL receiver, written every second or so; one per server."""

    record_version: Literal[1] = 1
    kind: Literal["wal"] = "wal"
    server: Name
    method: Literal["stream", "archive_command"]
    status: Literal["streaming", "connecting", "down", "stopped"]
    message: str = ""
    host: str = Field(default="", description="where it runs")
    pid: Count | None = None
    started_at: UtcTime
    updated_at: UtcTime
    slot: str = ""
    system_identifier: str = ""
    timeline: Timeline | None = None
    segment_bytes: SegmentBytes = DEFAULT_SEGMENT_BYTES
    last_segment: str = Field(default="", description="the newest complete one that is archived")
    last_received_at: UtcTime | None = Field(default=None, description="when the newest byte arrived")
    last_reply_at: UtcTime | None = Field(
        default=None, description="when the server last heard from the receiver"
    )
    received_lsn: Lsn | None = Field(default=None, description="the last byte received, .partial included")
    archived_lsn: Lsn | None = Field(default=None, description="end of the newest complete segment")
    recoverable_until: UtcTime | None = Field(
        default=None,
        description="the newest moment at which everything written by then had been received",
    )
    clock_offset_seconds: Seconds | None = Field(
        default=None, description="how far the server's clock is ahead of this host's; negative: behind"
    )
    segments: Count = Field(default=0, description="archived since the archive began; never falls")
    failures: Count = Field(default=0, description="failed starts and broken streams; never falls")
    archive_bytes: Count = 0
    gaps: tuple[WalGap, ...] = ()
    conflicts: tuple[WalConflict, ...] = ()
    base_backup_wanted_since: UtcTime | None = Field(
        default=None,
        description="set by a gap, cleared by the physical backup that starts after it",
    )
    last_base_backup: BackupId | None = None
    windows: tuple[WalWindow, ...] = Field(
        default=(), description="what can be recovered to, looked at every few seconds; the oldest first"
    )

    @property
    def missing_segments(self) -> int:
        """Segments missing in gaps that no later base backup has made harmless."""
        return sum(gap.segments for gap in self.gaps if gap.acknowledged_by is None)


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A timeline's start in its parent: ``lsn`` is the first byte that is not the parent's any more."""

    parent: int
    lsn: int


def parse_history(text: str) -> Switch | None:
    """The last switch that a ``.history`` file tells; None for one that tells nothing.

    Lines are "parent<tab>LSN<tab>reason", the oldest first; # begins a comment:
    https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
    """
    lines = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    switches = [Switch(parent=int(words[0]), lsn=parse_lsn(words[1])) for words in lines if _is_switch(words)]
    return switches[-1] if switches else None


def _is_switch(words: list[str]) -> bool:
    return (
        len(words) >= 2
        and re.fullmatch(r"[0-9]{1,10}", words[0]) is not None
        and re.fullmatch(_LSN, words[1]) is not None
    )


def gaps(segments: Iterable[Segment]) -> tuple[tuple[Segment, Segment], ...]:
    """The runs of missing segments, first and last of each, per timeline; a new timeline is no gap."""
    found: list[tuple[Segment, Segment]] = []
    previous: Segment | None = None
    for segment in sorted(set(segments)):
        if (
            previous is not None
            and previous.timeline == segment.timeline
            and segment.number > previous.number + 1
        ):
            before = Segment(timeline=segment.timeline, number=segment.number - 1)
            found.append((previous.next(), before))
        previous = segment
    return tuple(found)


def runs(segments: Iterable[Segment]) -> tuple[tuple[Segment, Segment], ...]:
    """The unbroken runs of segments, first and last of each, sorted."""
    found: list[tuple[Segment, Segment]] = []
    for segment in sorted(set(segments)):
        if found and found[-1][1].next() == segment:
            found[-1] = (found[-1][0], segment)
        else:
            found.append((segment, segment))
    return tuple(found)


def missing(
    archived: Iterable[Segment],
    lost: Iterable[Segment],
    switches: Mapping[int, Switch],
    segment_bytes: int = DEFAULT_SEGMENT_BYTES,
) -> tuple[tuple[Segment, Segment], ...]:
    """The runs of segments that recovery through this archive would miss.

    ``archived`` were archived at some time, ``lost`` are those of them that are there no more,
    ``switches`` says where each timeline left its parent. A timeline begins with the segment in which it
    left its parent, if the archive has any of the parent's.
    """
    known = set(archived)
    ends = {first.timeline: (first, last) for first, last in reversed(runs(known))}
    lasts = {last.timeline: last for _, last in runs(known)}
    holes = [hole for first, last in gaps(known) for hole in _between(first, last)]
    for timeline, switch in switches.items():
        if timeline not in ends or switch.parent not in ends:
            continue
        number = switch.lsn // segment_bytes
        first = Segment(timeline=timeline, number=number)
        if first < ends[timeline][0]:
            holes += _between(first, Segment(timeline=timeline, number=ends[timeline][0].number - 1))
        last = lasts[switch.parent]
        holes += _between(last.next(), Segment(timeline=switch.parent, number=number - 1))
    return runs({*holes, *lost})


def _between(first: Segment, last: Segment) -> list[Segment]:
    numbers = range(first.number, last.number + 1)
    return [Segment(timeline=first.timeline, number=number) for number in numbers]


class Entry(NamedTuple):
    """A line of the index; the fields of ``wal.WalSegment``."""

    name: str
    path: str
    size_bytes: int
    sha256: str
    archived_at: datetime
    covers_until: datetime | None
    stored_bytes: int | None = None
    stored_sha256: str | None = None

    @property
    def there_bytes(self) -> int:
        """Its size where it lies; larger than what was archived where it is encrypted there."""
        return self.size_bytes if self.stored_bytes is None else self.stored_bytes

    @property
    def is_segment(self) -> bool:
        """Return whether it is a segment and no ``.history`` file."""
        return len(self.name) == 24
