"""Whether a zstd file ends where its last frame ends.

Decompressors that are fed in pieces take the end of the file for the end of the data, and say nothing of a
frame that was cut off. Blocks say their length, so that one can hop over them:
https://www.rfc-editor.org/rfc/rfc8878
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import zstandard

_LONGEST_HEADER = 18
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_RLE = 1  # a block of one byte that is repeated: its size is that of what it becomes
_CHECKSUM_BYTES = 4


def is_whole(path: Path) -> bool:
    """Whether the file is one zstd frame or more, the last of them complete. Raises OSError."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        position: int | None = 0
        while position is not None and position < end:
            position = _end_of_frame(file, position)
        return position == end and end > 0


def _end_of_frame(file: BinaryIO, position: int) -> int | None:
    """Where the frame that begins at ``position`` ends; None where none begins, or it breaks off."""
    file.seek(position)
    head = file.read(_LONGEST_HEADER)
    if int.from_bytes(head[:4], "little") in _SKIPPABLE:
        return position + 8 + int.from_bytes(head[4:8], "little")
    try:
        position += zstandard.frame_header_size(head)
        checksum = zstandard.get_frame_parameters(head).has_checksum
    except zstandard.ZstdError:
        return None
    is_last = False
    while not is_last:
        file.seek(position)
        header = file.read(3)
        if len(header) < 3:
            return None
        word = int.from_bytes(header, "little")
        is_last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        position += len(header) + (1 if kind == _RLE else size)
    return position + (_CHECKSUM_BYTES if checksum else 0)
