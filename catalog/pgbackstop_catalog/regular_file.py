"""Reading a file that anybody may have put in its place: it may be a pipe, a device, or without an end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

# What open() says of a thing that is no file, whatever it is: a socket, links in a circle.
_NO_FILE: Final = {errno.ENXIO, errno.ELOOP, errno.ENODEV, errno.ENAMETOOLONG}
_CHUNK: Final = 2**16


class Unusual(OSError):
    """It is no regular file, or larger than such a file ever is."""


def read(path: Path | str, most: int) -> bytes:
    """All ``most`` bytes or fewer of a regular file. Raises Unusual for anything else, OSError."""
    opened = descriptor(path)
    try:
        return read_all(opened, most)
    finally:
        os.close(opened)


def descriptor(path: Path | str, *, follows: bool = True) -> int:
    """A descriptor to read a regular file by; it never waits. Raises Unusual for anything else, OSError.

    Unless it ``follows`` links, one is nothing else than that: somebody else may have put it there.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follows else os.O_NOFOLLOW)
    try:
        opened = os.open(path, flags)
    except ValueError as error:
        raise Unusual(errno.EINVAL, "its name holds a NUL") from error
    except OSError as error:
        if error.errno in _NO_FILE:
            raise Unusual(error.errno, "it is no regular file") from error
        raise
    mode = os.fstat(opened).st_mode
    if stat.S_ISREG(mode):
        return opened
    os.close(opened)
    raise Unusual(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")


def read_all(opened: int, most: int) -> bytes:
    """All bytes from where the descriptor stands. Raises Unusual where there are more than ``most``."""
    chunks: list[bytes] = []
    left = most + 1
    size = os.fstat(opened).st_size
    while left > 0 and (chunk := os.read(opened, min(left, max(size, _CHUNK)))):
        chunks.append(chunk)
        left -= len(chunk)
    if left <= 0:
        raise Unusual(errno.EFBIG, f"it is larger than {most} bytes")
    return b"".join(chunks)
