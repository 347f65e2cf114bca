"""A filter of system calls for what runs in a jail, as the kernel's own small programs (classic BPF).

It refuses what a folder's rules do not cover: every socket but stream sockets of this machine, namespaces,
other processes, and what changes a file by its name without opening it. setsid and setpgid say that they
did it and do not: whoever runs in the jail stays in the group of processes that is ended with it.
https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000  # x86_64's second table of the same calls
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _MASK, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
# struct seccomp_data: the call's number, the architecture, eight bytes that do not count, six arguments.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPES = 1, 1, 0xF
_NEW_NAMESPACES = 0x7E020000
_FAKED = 0
# By name: the number on x86_64, on aarch64, and the error; None where an architecture lacks the call.
_REFUSED: tuple[tuple[str, int | None, int | None, int], ...] = (
    # A process that cannot leave its group is ended with it. PostgreSQL's processes begin with setsid.
    ("setsid", 112, 157, _FAKED),
    ("setpgid", 109, 154, _FAKED),
    # By name, and of a file that is open for reading. PostgreSQL gives modes to what is private already.
    ("chmod", 90, None, _FAKED),
    ("fchmod", 91, 52, _FAKED),
    ("fchmodat", 268, 53, _FAKED),
    ("fchmodat2", 452, 452, errno.ENOSYS),
    ("chown", 92, None, errno.EPERM),
    ("fchown", 93, 55, errno.EPERM),
    ("lchown", 94, None, errno.EPERM),
    ("fchownat", 260, 54, errno.EPERM),
    ("utime", 132, None, errno.EPERM),
    ("utimes", 235, None, errno.EPERM),
    ("futimesat", 261, None, errno.EPERM),
    ("utimensat", 280, 88, errno.EPERM),
    ("setxattr", 188, 5, errno.EPERM),
    ("lsetxattr", 189, 6, errno.EPERM),
    ("fsetxattr", 190, 7, errno.EPERM),
    ("removexattr", 197, 14, errno.EPERM),
    ("lremovexattr", 198, 15, errno.EPERM),
    ("fremovexattr", 199, 16, errno.EPERM),
    ("setxattrat", 463, 463, errno.EPERM),
    ("removexattrat", 466, 466, errno.EPERM),
    ("file_setattr", 469, 469, errno.EPERM),
    # What goes round the rules: files by handle, sockets by a ring.
    ("name_to_handle_at", 303, 264, errno.EPERM),
    ("open_by_handle_at", 304, 265, errno.EPERM),
    ("io_uring_setup", 425, 425, errno.EPERM),
    ("io_uring_enter", 426, 426, errno.EPERM),
    ("io_uring_register", 427, 427, errno.EPERM),
    # Other processes.
    ("ptrace", 101, 117, errno.EPERM),
    ("process_vm_readv", 310, 270, errno.EPERM),
    ("process_vm_writev", 311, 271, errno.EPERM),
    ("process_madvise", 440, 440, errno.EPERM),
    ("process_mrelease", 448, 448, errno.EPERM),
    ("pidfd_getfd", 438, 438, errno.EPERM),
    ("kcmp", 312, 272, errno.EPERM),
    ("setpriority", 141, 140, errno.EPERM),
    ("sched_setparam", 142, 118, errno.EPERM),
    ("sched_setscheduler", 144, 119, errno.EPERM),
    ("sched_setaffinity", 203, 122, errno.EPERM),
    ("sched_setattr", 314, 274, errno.EPERM),
    ("ioprio_set", 251, 30, errno.EPERM),
    ("migrate_pages", 256, 238, errno.EPERM),
    ("move_pages", 279, 239, errno.EPERM),
    # System V's and POSIX's queues and semaphores, which have no folder. Shared memory PostgreSQL needs.
    ("semget", 64, 190, errno.EPERM),
    ("semop", 65, 193, errno.EPERM),
    ("semctl", 66, 191, errno.EPERM),
    ("semtimedop", 220, 192, errno.EPERM),
    ("msgget", 68, 186, errno.EPERM),
    ("msgsnd", 69, 189, errno.EPERM),
    ("msgrcv", 70, 188, errno.EPERM),
    ("msgctl", 71, 187, errno.EPERM),
    ("mq_open", 240, 180, errno.EPERM),
    ("mq_unlink", 241, 181, errno.EPERM),
    ("inotify_add_watch", 254, 27, errno.EPERM),
    ("fanotify_init", 300, 262, errno.EPERM),
    # Namespaces and mounts; clone3 hides its flags from a filter, and the C library then takes clone.
    ("clone3", 435, 435, errno.ENOSYS),
    ("unshare", 272, 97, errno.EPERM),
    ("setns", 308, 268, errno.EPERM),
    ("mount", 165, 40, errno.EPERM),
    ("umount2", 166, 39, errno.EPERM),
    ("pivot_root", 155, 41, errno.EPERM),
    ("chroot", 161, 51, errno.EPERM),
    ("open_tree", 428, 428, errno.EPERM),
    ("move_mount", 429, 429, errno.EPERM),
    ("fsopen", 430, 430, errno.EPERM),
    ("fsconfig", 431, 431, errno.EPERM),
    ("fsmount", 432, 432, errno.EPERM),
    ("fspick", 433, 433, errno.EPERM),
    ("mount_setattr", 442, 442, errno.EPERM),
    # Large doors into the kernel that no program of PostgreSQL uses.
    ("bpf", 321, 280, errno.EPERM),
    ("perf_event_open", 298, 241, errno.EPERM),
    ("userfaultfd", 323, 282, errno.EPERM),
    ("keyctl", 250, 219, errno.EPERM),
    ("add_key", 248, 217, errno.EPERM),
    ("request_key", 249, 218, errno.EPERM),
    ("personality", 135, 92, errno.EPERM),
    ("syslog", 103, 116, errno.EPERM),
    ("acct", 163, 89, errno.EPERM),
    ("swapon", 167, 224, errno.EPERM),
    ("swapoff", 168, 225, errno.EPERM),
    ("reboot", 169, 142, errno.EPERM),
    ("init_module", 175, 105, errno.EPERM),
    ("delete_module", 176, 106, errno.EPERM),
    ("finit_module", 313, 273, errno.EPERM),
    ("kexec_load", 246, 104, errno.EPERM),
    ("kexec_file_load", 320, 294, errno.EPERM),
    ("quotactl", 179, 60, errno.EPERM),
)
_CONNECT = {"x86_64": 42, "aarch64": 203}
_TRUNCATE = {"x86_64": 76, "aarch64": 45}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKETS = {"x86_64": (41, 53), "aarch64": (198, 199)}

Instruction = tuple[int, int, int, int]


def is_known(machine: str | None = None) -> bool:
    """Whether there is a filter for this kind of processor."""
    return (machine or platform.machine()) in _ARCHITECTURES


@cache
def program(*, connects: bool, truncates: bool = True, machine: str | None = None) -> bytes:
    """The filter as the kernel takes it; empty where the processor is not known.

    Without ``connects`` no socket can be connected to another, which a server need not. Without
    ``truncates`` no file can be cut by its name.
    """
    name = machine or platform.machine()
    if not is_known(name):
        return b""
    return b"".join(struct.pack("=HBBI", *each) for each in _instructions(name, connects, truncates))


def _instructions(machine: str, connects: bool, truncates: bool) -> Iterator[Instruction]:
    yield _load(_ARCHITECTURE)
    yield (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine])
    yield _return(_KILL)
    yield _load(_NUMBER)
    yield (_JUMP_ABOVE, 0, 1, _X32)
    yield _return(_ERRNO | errno.ENOSYS)
    yield from _refuse(_numbers(machine))
    if not connects:
        yield from _refuse({_CONNECT[machine]: errno.EACCES})
    if not truncates:
        yield from _refuse({_TRUNCATE[machine]: errno.EPERM})
    # Of other processes the limits could be set; of namespaces only those that are there already are for us.
    yield from _only(_PRLIMIT[machine], ((0, 0xFFFFFFFF, 0),), errno.EPERM)
    yield from _only(_CLONE[machine], ((0, _NEW_NAMESPACES, 0),), errno.EPERM)
    for number in _SOCKETS[machine]:
        # A socket for messages can send to an address without connecting to it.
        wanted = ((0, 0xFFFFFFFF, _AF_UNIX), (1, _SOCK_TYPES, _SOCK_STREAM))
        yield from _only(number, wanted, errno.EAFNOSUPPORT)
    yield _return(_ALLOW)


def _numbers(machine: str) -> dict[int, int]:
    wanted = ((amd if machine == "x86_64" else arm, error) for _name, amd, arm, error in _REFUSED)
    return {number: error for number, error in wanted if number is not None}


def _refuse(errors: Mapping[int, int]) -> Iterator[Instruction]:
    for number, error in errors.items():
        yield (_JUMP_EQUAL, 0, 1, number)
        yield _return(_ERRNO | error)


def _only(number: int, wanted: Iterable[tuple[int, int, int]], error: int) -> Iterator[Instruction]:
    """Refuse a call unless each of its arguments (position, mask) is what it must be."""
    checks: list[Instruction] = []
    for position, mask, value in wanted:
        # The low half: the kernel itself takes these arguments for 32 bits. Both machines are little-endian.
        checks += [_load(_ARGUMENTS + 8 * position), (_MASK, 0, 0, mask)]
        checks += [(_JUMP_EQUAL, 1, 0, value), _return(_ERRNO | error)]
    checks.append(_return(_ALLOW))
    yield (_JUMP_EQUAL, 0, len(checks), number)
    yield from checks


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)
