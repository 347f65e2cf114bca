"""The first page of a WAL segment: whose it is, and which one.

XLogLongPageHeaderData of PostgreSQL's access/xlog_internal.h, the same in 15 to 18. The magic number's
high byte has been 0xD1 since 9.x; its low byte changes with every major version.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pgbackstop_catalog.decisions.wal_segments import Segment

BYTES = 40
_FIELDS = "HHIQI4xQII"
_LONG_HEADER = 0x0002
_MAGIC_HIGH_BYTE = 0xD1


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a segment says about itself; ``address`` is the LSN of its first byte."""

    timeline: int
    address: int
    system_identifier: str
    segment_bytes: int


def parse(page: bytes) -> Header | None:
    """The header at the beginning of ``page``; None where it is none."""
    for order in "<>":
        if len(page) < BYTES:
            return None
        magic, info, timeline, address, _, system, segment_bytes, _ = struct.unpack_from(
            order + _FIELDS, page
        )
        if magic >> 8 == _MAGIC_HIGH_BYTE and info & _LONG_HEADER:
            return Header(
                timeline=timeline,
                address=address,
                system_identifier=str(system),
                segment_bytes=segment_bytes,
            )
    return None


def problem(header: Header | None, segment: Segment, system_identifier: str, segment_bytes: int) -> str:
    """Why this cannot be that segment of that system, as half a sentence; empty where it can."""
    if header is None:
        return "it does not begin with a WAL page"
    if header.system_identifier != system_identifier:
        return f"it belongs to system {header.system_identifier}, this archive to {system_identifier}"
    if header.segment_bytes != segment_bytes:
        return f"its segments have {header.segment_bytes} bytes, those of this archive {segment_bytes}"
    if header.address != segment.number * segment_bytes:
        return "its first page belongs elsewhere in the WAL"
    # The segment in which a timeline began starts with a copy of its parent's pages.
    if header.timeline > segment.timeline:
        return f"its first page is of timeline {header.timeline}"
    return ""
