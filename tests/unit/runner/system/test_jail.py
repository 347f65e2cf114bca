"""Which jail a host gets, and why; what a filter of system calls lets through."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.system import jail, jail_choice, landlock, prctl, process_limit, seccomp
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.system.jail_choice import Host, Mechanism, Wish
from tests.support import accounts, confined

NOTHING = Host(bubblewrap_refused="not installed", landlock=0, filtered=True)
ALL = Host(bubblewrap_refused="", landlock=7, filtered=True)


def within(cell: jail.Cell, argv: list[str]) -> subprocess.CompletedProcess[str]:
    """What a program in that cell ended with and wrote."""
    with cell.launch(argv) as launch:
        return subprocess.run(
            launch.argv,
            pass_fds=launch.descriptors,
            preexec_fn=launch.prepare,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )


@pytest.mark.parametrize(
    ("host", "wish", "mechanism", "reason"),
    [
        (ALL, "auto", "bubblewrap", "bubblewrap works here"),
        (ALL, "landlock", "landlock", "asked for by drills.jail"),
        (Host(bubblewrap_refused="No permissions", landlock=2, filtered=True), "auto", "landlock", "No perm"),
        (Host(bubblewrap_refused="not installed", landlock=1, filtered=True), "auto", "none", "Linux 5.19"),
        (Host(bubblewrap_refused="not installed", landlock=7, filtered=False), "auto", "none", "processor"),
        (
            Host(bubblewrap_refused="not installed", landlock=7, filtered=True),
            "bubblewrap",
            "none",
            "not inst",
        ),
        (NOTHING, "landlock", "none", "Landlock: the kernel"),
    ],
)
def test_the_choice_and_its_reason(host: Host, wish: Wish, mechanism: str, reason: str) -> None:
    choice = jail_choice.choose(host, wish)
    assert choice.mechanism == mechanism
    assert reason in choice.reason


def test_without_a_jail_a_person_must_have_said_so() -> None:
    choice = jail_choice.choose(NOTHING)
    with pytest.raises(errors.ConfigError, match="without a jail") as refused:
        jail_choice.require(choice, unconfined=False)
    assert "drills.unconfined" in refused.value.remedy
    jail_choice.require(choice, unconfined=True)
    jail_choice.require(jail_choice.choose(ALL), unconfined=False)


def test_a_processor_without_a_filter_has_none() -> None:
    assert not seccomp.is_known("sparc")
    assert seccomp.program(connects=False, machine="sparc") == b""


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_jump_leaves_the_filter(machine: str) -> None:
    """The kernel would refuse such a program; only one machine's can be tried here."""
    program = seccomp.program(connects=False, truncates=False, machine=machine)
    size = len(program) // 8
    for number in range(size):
        code, yes, no = program[8 * number], program[8 * number + 2], program[8 * number + 3]
        if code & 7 == 5:
            assert number + 1 + max(yes, no) < size
    assert program[8 * (size - 1)] == 6


def filtered(code: str, *, connects: bool = False, truncates: bool = True) -> str:
    """What a Python program prints under the filter."""
    install = prctl.filtering(seccomp.program(connects=connects, truncates=truncates))

    def prepare() -> None:
        prctl.gain_nothing()
        install()

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, preexec_fn=prepare
    )
    return done.stdout.strip()


def answer(call: str) -> str:
    return f"""
import errno, os, socket, ctypes
try:
    {call}
    print("done")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.mark.skipif(not seccomp.is_known(), reason="impossible on this platform: there is no filter for it")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("socket.socket(socket.AF_INET)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)", "EAFNOSUPPORT"),
        ("socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "EAFNOSUPPORT"),
        ("socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)", "done"),
        ("socket.socket(socket.AF_UNIX).connect('/nowhere')", "EACCES"),
        ("os.chown('/nowhere', 1, 1)", "EPERM"),
        ("os.utime('/nowhere')", "EPERM"),
        ("os.chmod('/nowhere', 0)", "done"),  # it says so
        ("os.truncate('/nowhere', 0)", "ENOENT"),
        ("os.fork() or os._exit(0)", "done"),
    ],
)
def test_what_the_filter_lets_through(call: str, said: str) -> None:
    assert filtered(answer(call)) == said


@pytest.mark.skipif(not seccomp.is_known(), reason="impossible on this platform: there is no filter for it")
def test_a_client_may_connect_and_an_old_kernel_cuts_nothing() -> None:
    assert filtered(answer("socket.socket(socket.AF_UNIX).connect('/nowhere')"), connects=True) == "ENOENT"
    assert filtered(answer("os.truncate('/nowhere', 0)"), truncates=False) == errno.errorcode[errno.EPERM]


@pytest.mark.skipif(not seccomp.is_known(), reason="impossible on this platform: there is no filter for it")
def test_nobody_leaves_the_group_that_is_ended() -> None:
    """setsid says that it did it."""
    code = "import os; before = os.getpgid(0); os.fork() or (os.setsid(), print(os.getpgid(0) == before))"
    assert filtered(code) == "True"


SHARED = """
import ctypes, sys
library = ctypes.CDLL(None, use_errno=True)
library.shmat.restype = ctypes.c_void_p
found = library.shmat(int(sys.argv[1]), None, 0)
print("refused" if found in (None, 2**64 - 1) else ctypes.string_at(found, 6).decode())
"""


@pytest.mark.root
@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
def test_no_memory_is_shared_with_others_where_root_drills(mechanism: Mechanism, tmp_path: Path) -> None:
    """That of a live server of the same account has its rows, where shared_memory_type is sysv."""
    assert mechanism != "none"
    confined.possible(mechanism)
    library = ctypes.CDLL(None)
    library.shmat.restype = ctypes.c_void_p
    segment = library.shmget(0, 4096, 0o1666)
    ctypes.memmove(library.shmat(segment, None, 0), b"SECRET", 6)
    try:
        unprivileged = accounts.unprivileged()
        who = Account(name="somebody", uid=unprivileged.uid, gid=unprivileged.gid)
        cell = jail.Jail(mechanism=mechanism, who=who, sockets=tmp_path).worker(Path("/usr/bin"), writes=())
        argv = ["/usr/bin/python3", "-c", SHARED, str(segment)]
        seen = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert seen.stdout == "SECRET\n"
        done = within(cell, argv)
        assert done.stdout == "refused\n", done.stderr
    finally:
        library.shmctl(segment, 0, None)


@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock", "none"])
def test_processes_are_not_without_number(mechanism: Mechanism, tmp_path: Path) -> None:
    if mechanism != "none":
        confined.possible(mechanism)
    who = Account(name="", uid=os.geteuid(), gid=os.getegid())
    cell = jail.Jail(mechanism=mechanism, who=who, sockets=tmp_path).worker(Path("/usr/bin"), writes=())
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC)[1])"
    done = within(cell, ["/usr/bin/python3", "-c", code])
    assert 0 < int(done.stdout) <= process_limit.MOST_PROCESSES, done.stderr


@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock", "none"])
def test_what_takes_all_memory_is_ended_before_anything_else(mechanism: Mechanism, tmp_path: Path) -> None:
    if mechanism != "none":
        confined.possible(mechanism)
    unprivileged = accounts.unprivileged()
    who = Account(name="somebody", uid=unprivileged.uid, gid=unprivileged.gid)
    cell = jail.Jail(mechanism=mechanism, who=who, sockets=tmp_path).worker(Path("/usr/bin"), writes=())
    with (
        cell.launch(["/bin/sh", "-c", "cat; :"]) as launch,
        subprocess.Popen(
            launch.argv,
            pass_fds=launch.descriptors,
            preexec_fn=launch.prepare,  # noqa: PLW1509 - there is one thread
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
        ) as started,
    ):
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdin.write(b"there\n")
        started.stdin.flush()
        assert started.stdout.readline() == b"there\n"
        family = [started.pid, *(each.pid for each in psutil.Process(started.pid).children(recursive=True))]
        scores = {int(Path(f"/proc/{each}/oom_score_adj").read_text()) for each in family}
        started.stdin.close()
    assert len(family) > 1
    assert scores == {process_limit.FIRST_OF_ALL}
    assert int(Path("/proc/self/oom_score_adj").read_text()) < process_limit.AFTER_THOSE


@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
def test_programs_in_a_home_do_not_open_it(mechanism: Mechanism, tmp_path: Path) -> None:
    """PostgreSQL may be installed with the prefix of somebody's home, beside his passwords."""
    assert mechanism != "none"
    confined.possible(mechanism)
    home = tmp_path / "home"
    paths = [home / name for name in ("bin/psql", "lib/libpq.so", "share/tsearch", ".pgpass", "etc/secret")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    who = Account(name="", uid=os.geteuid(), gid=os.getegid())
    cell = jail.Jail(mechanism=mechanism, who=who, sockets=tmp_path).reader(home / "bin")
    script = 'for each do cat "$each" 2>/dev/null && echo; done'
    done = within(cell, ["/bin/sh", "-c", script, "sh", *map(str, paths)])
    assert done.stdout.split() == ["psql", "libpq.so", "tsearch"], done.stderr


def test_what_this_host_has_is_tried() -> None:
    found = jail.host()
    assert found.landlock == landlock.version()
    assert found.filtered == (os.uname().machine in {"x86_64", "aarch64"})
