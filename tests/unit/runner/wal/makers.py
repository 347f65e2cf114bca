"""Segments small enough to make many, with headers as PostgreSQL writes them."""

import struct
from pathlib import Path

from pgbackstop_catalog.decisions.wal_segments import Segment, WalIdentity
from pgbackstop_runner.wal.archive import Archive

SIZE = 2**20  # the smallest segment that PostgreSQL knows
SYSTEM = 7711071966312190430
IDENTITY = WalIdentity(system_identifier=str(SYSTEM), segment_bytes=SIZE)


def content(number: int, fill: bytes = b"x", *, timeline: int = 1, system: int = SYSTEM) -> bytes:
    """A segment: XLogLongPageHeaderData of PostgreSQL 17, and something."""
    head = struct.pack("<HHIQI4xQII", 0xD116, 2, timeline, number * SIZE, 0, system, SIZE, 8192)
    return head + fill * (SIZE - len(head))


def name(number: int, timeline: int = 1) -> str:
    return Segment(timeline=timeline, number=number).name(SIZE)


def arrive(archive: Archive, number: int, fill: bytes = b"x", *, timeline: int = 1) -> Path:
    """Put a complete, uncompressed segment where pg_receivewal would."""
    path = archive.receiving / name(number, timeline)
    path.write_bytes(content(number, fill, timeline=timeline))
    return path


def opened(root: Path) -> Archive:
    """An archive that is ready, as after a start of the receiver."""
    archive = Archive(root, IDENTITY)
    archive.prepare()
    return archive
