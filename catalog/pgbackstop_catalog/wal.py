"""WAL segments: names, arithmetic, the index of what is archived, and the gaps in it. Pure.

A segment's name is three times eight hexadecimal digits: timeline, log, segment. With 16 MB segments a
log has 256 of them: https://www.postgresql.org/docs/current/wal-internals.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.records import BackupId, Lsn, Name, RelativePath
from pgbackstop_catalog.values import UtcTime, Value

DEFAULT_SEGMENT_BYTES = 16 * 2**20
INDEX_NAME = "index.jsonl"
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
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


class WalSegment(Value):
    """One line of the index: a segment, or a ``.history`` file, that is archived durably."""

    name: str = Field(pattern=r"^([0-9A-F]{24}|[0-9A-F]{8}\.history)$")
    path: RelativePath = Field(description="relative to the archive of the server")
    size_bytes: int = Field(ge=0, description="bytes stored")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the bytes stored")
    archived_at: UtcTime


class WalGap(Value):
    """Segments that are missing for good: ``first`` to ``last``, both included."""

    timeline: int
    first: str
    last: str
    segments: int
    found_at: UtcTime
    reason: str = ""


class WalConflict(Value):
    """A segment that arrived twice with different content; the first was kept."""

    name: str
    found_at: UtcTime
    kept_as: RelativePath


class WalState(Value):
    """What a WAL receiver knows, written every second or so; one per server."""

    record_version: Literal[1] = 1
    kind: Literal["wal"] = "wal"
    server: Name
    method: Literal["stream", "archive_command"]
    status: Literal["streaming", "connecting", "down", "stopped"]
    message: str = ""
    pid: int | None = None
    started_at: UtcTime
    updated_at: UtcTime
    slot: str = ""
    system_identifier: str = ""
    timeline: int | None = None
    segment_bytes: int = DEFAULT_SEGMENT_BYTES
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
    segments: int = Field(default=0, description="archived since the archive began; never falls")
    failures: int = Field(default=0, description="failed starts and broken streams; never falls")
    archive_bytes: int = 0
    gaps: tuple[WalGap, ...] = ()
    conflicts: tuple[WalConflict, ...] = ()
    base_backup_wanted_since: UtcTime | None = Field(
        default=None,
        description="set by a gap, cleared by the physical backup that starts after it",
    )
    last_base_backup: BackupId | None = None


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
