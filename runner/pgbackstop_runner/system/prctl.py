"""What a process asks of the kernel for itself: to die with us, to gain nothing, to be filtered.

By prctl(2), which no library of Python's has.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

from pgbackstop_catalog.errors import Interrupted

# Looked up now: between fork and exec it is too late to load anything.
_LIBC = ctypes.CDLL(None, use_errno=True)
# https://man7.org/linux/man-pages/man2/prctl.2.html
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_NO_NEW_PRIVS = 38


def dying_with_us(number: int = signal.SIGTERM) -> Callable[[], None]:
    """For a child between fork and exec: the kernel sends it this signal when we die, even by SIGKILL.

    Begin children in the main thread: the kernel means the thread that began them. When a process of many
    threads dies, the signal may come several times, once from each thread that for a moment inherits the
    child: who receives it must not take the second for another wish.
    """
    parent = os.getpid()

    def ask() -> None:
        # System calls of a library that is loaded, and no lock: that is safe after a fork.
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # we died before it asked
            os._exit(Interrupted.exit_code)

    return ask


def gain_nothing() -> None:
    """For a child between fork and exec: no program that it starts has more rights. Raises OSError."""
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog of seccomp(2)."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filtering(program: bytes) -> Callable[[], None]:
    """For a child between fork and exec, after ``gain_nothing``: put a filter upon its system calls.

    It raises OSError.
    """
    given = _FilterProgram(len(program) // 8, program)

    def install() -> None:
        _checked(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0))

    return install


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def adopt_orphans() -> None:
    """Let the kernel hand us the children that our children leave, so that we can end those too."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
