"""Doing with files what another account may do: rights of one thread, or of a child before it starts.

Linux keeps them for each thread; the C library's own functions would change those of all threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator

_LIBC = ctypes.CDLL(None, use_errno=True)
# https://man7.org/linux/man-pages/man7/capabilities.7.html
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2
_VERSION_3 = 0x20080522
_PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_SETGROUPS = {"x86_64": 116, "aarch64": 159}.get(platform.machine())
_NEW_IPC, _NEW_NET = 0x08000000, 0x40000000  # https://man7.org/linux/man-pages/man2/unshare.2.html
_NOBODY = ctypes.c_uint32(0xFFFFFFFF)  # changes nothing: asks who it is


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_Sets = _Set * 2


@contextlib.contextmanager
def files_as(uid: int, gid: int, *, reads_all: bool) -> Iterator[None]:
    """Let this thread, which is root's, do with files what the account may do; with ``reads_all``, read all.

    A link that the account has put somewhere leads no further than the account itself could go. Threads that
    begin meanwhile are so, too; programs are root's. Raises OSError.
    """
    groups, sets = os.getgroups(), _get()
    before = (_LIBC.setfsuid(_NOBODY), _LIBC.setfsgid(_NOBODY))
    try:
        _set_groups([])
        _LIBC.setfsgid(ctypes.c_uint32(gid))
        _LIBC.setfsuid(ctypes.c_uint32(uid))
        if _LIBC.setfsuid(_NOBODY) != uid or _LIBC.setfsgid(_NOBODY) != gid:
            raise PermissionError(1, "this process may not take another account's identity")
        if reads_all:
            _raise_reading()
        yield
    finally:
        _LIBC.setfsuid(ctypes.c_uint32(before[0]))
        _LIBC.setfsgid(ctypes.c_uint32(before[1]))
        _set_groups(groups)
        _set(sets)


def become(uid: int, gid: int, *, reads_all: bool) -> None:
    """Make this process, which is root's and has one thread, the account's for ever. Raises OSError.

    With ``reads_all`` it may read every file that it can reach: what it is kept in must be narrow.
    """
    os.setgroups([])
    if reads_all:
        # Without it the kernel forgets the right on a change of account, and for each access(2).
        _checked(_LIBC.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if reads_all:
        right = _reading(_get()[0].permitted)
        _set(_Sets(_Set(right, right, right)))
        number = right.bit_length() - 1
        _checked(_LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0))


def set_apart() -> None:
    """Give this process, which is root's, shared memory and a network of its own, where it may have them.

    Most containers let nobody.
    """
    for kind in (_NEW_IPC, _NEW_NET):
        _LIBC.unshare(kind)


def _raise_reading() -> None:
    sets = _get()
    sets[0].effective |= _reading(sets[0].permitted)
    _set(sets)


def _reading(permitted: int) -> int:
    """The right to read all; containers keep the one that lets write as well. Raises PermissionError."""
    for right in (_DAC_READ_SEARCH, _DAC_OVERRIDE):
        if permitted & right:
            return right
    raise PermissionError(1, "this process has no right to read the files of others")


def _get() -> ctypes.Array[_Set]:
    sets = _Sets()
    _checked(_LIBC.capget(ctypes.byref(_Header(_VERSION_3, 0)), sets))
    return sets


def _set(sets: ctypes.Array[_Set]) -> None:
    _checked(_LIBC.capset(ctypes.byref(_Header(_VERSION_3, 0)), sets))


def _set_groups(groups: list[int]) -> None:
    if _SETGROUPS is not None:
        array = (ctypes.c_uint32 * len(groups))(*groups)
        _checked(_LIBC.syscall(_SETGROUPS, ctypes.c_size_t(len(groups)), array))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
