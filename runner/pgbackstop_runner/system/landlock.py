"""Landlock: which files a process and all that it starts may reach; needs no right at all.

https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISDIR

_LIBC = ctypes.CDLL(None, use_errno=True)
# The same numbers on every kind of processor.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# How many of the rights to files each version of the interface knows; a later one knows those before it.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
_TCP_SINCE, _SCOPES_SINCE = 4, 6
_TRUNCATE_SINCE = 3


def version() -> int:
    """The version of the interface that this kernel has; 0 where it has none, or it is switched off."""
    found: int = _LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(0, found)


def controls_truncate(abi: int) -> bool:
    """Whether it keeps a file from being cut by its name."""
    return abi >= _TRUNCATE_SINCE


class Ruleset:
    """Rules that a process can put upon itself: nothing is allowed but what is added. Raises OSError."""

    def __init__(self, abi: int) -> None:
        self._rights = (1 << _FILE_RIGHTS[max(each for each in _FILE_RIGHTS if each <= abi)]) - 1
        # Rights to files; then those to TCP, of which none is given; then no abstract socket, no signal.
        attributes = struct.pack("=QQQ", self._rights, 3, 3)
        size = 8 if abi < _TCP_SINCE else 16 if abi < _SCOPES_SINCE else 24
        self.descriptor = _checked(
            _LIBC.syscall(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
        )

    def close(self) -> None:
        os.close(self.descriptor)

    def may_read(self, paths: Iterable[Path], *, run: bool = False) -> None:
        """Let files, and folders with all below them, be read; with ``run``, programs be started."""
        self._allow(paths, _READ_FILE | _READ_DIR | (_EXECUTE if run else 0))

    def may_write(self, paths: Iterable[Path]) -> None:
        """Let everything be done there but to start programs and to make devices."""
        self._allow(paths, self._rights & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK))

    def _allow(self, paths: Iterable[Path], rights: int) -> None:
        """What is not there needs no rule."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._add(path, rights)

    def _add(self, path: Path, rights: int) -> None:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            attributes = struct.pack("=Qi", rights & self._rights, descriptor)
            _checked(
                _LIBC.syscall(_ADD, self.descriptor, _PATH_BENEATH, attributes, ctypes.c_uint32(0)), str(path)
            )
        finally:
            os.close(descriptor)

    def restrict(self) -> None:
        """Put the rules upon this process, for ever. Only with no_new_privs. Raises OSError."""
        _checked(_LIBC.syscall(_RESTRICT, self.descriptor, ctypes.c_uint32(0)))


def _checked(result: int, where: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}", where)
    return result
