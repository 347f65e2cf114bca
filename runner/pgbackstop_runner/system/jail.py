"""A jail for what executes the content of a database: throw-away servers, and the tools that fill them.

In it there is no configuration, no password, no storage and no network; all processes end together. The
reasons stand in docs/explanation/jail.md.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pgbackstop_runner.system import (
    accounts,
    capabilities,
    landlock,
    orphans,
    prctl,
    process_limit,
    processes,
    seccomp,
)
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.system.jail_choice import Host, Mechanism

_BUBBLEWRAP, _SETPRIV = Path("/usr/bin/bwrap"), Path("/usr/bin/setpriv")
# Programs and libraries of the system; what is a link on most hosts stays one.
_SYSTEM = tuple(
    Path("/", name)
    for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")
)
_BELOW_SYSTEM = tuple(f"{path}/" for path in _SYSTEM)
_ETC = tuple(
    Path("/etc", name)
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "localtime", "timezone", "alternatives")
)
_DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom"))
# What an installation of PostgreSQL has beside its bin; what else is there may be somebody's home.
_BESIDE_BIN = ("lib", "lib32", "lib64", "libexec", "share")
_TRIAL_SECONDS = 10


@cache
def host() -> Host:
    """What this host has, tried for real."""
    return Host(
        bubblewrap_refused=_bubblewrap_refused(), landlock=landlock.version(), filtered=seccomp.is_known()
    )


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a process is started: the arguments of subprocess.Popen that stand for its jail."""

    argv: list[str]
    prepare: Callable[[], None]
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Jail:
    """Where the processes of one drill run, as ``who``; the server listens in ``sockets``.

    Of "none" nothing is kept in but the account.
    """

    mechanism: Mechanism
    who: Account
    sockets: Path

    def client(self, programs: Path, *reads: Path) -> Cell:
        """For a tool out of the folder ``programs`` that reads these files and talks to the server."""
        return Cell(
            jail=self, programs=programs, writes=(), reads=reads, reads_all=bool(reads), connects=True
        )

    def reader(self, programs: Path, *reads: Path) -> Cell:
        """For a tool that reads these files and connects to nothing."""
        return Cell(jail=self, programs=programs, writes=(), reads=reads, reads_all=True)

    def worker(self, programs: Path, *, writes: Sequence[Path], reads: Sequence[Path] = ()) -> Cell:
        """For a server, or what makes its files: it is connected to, and connects to nothing."""
        return Cell(jail=self, programs=programs, writes=tuple(writes), reads=tuple(reads))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one process and all that it starts may reach.

    With ``reads_all`` what it ``reads`` may belong to root, who has stepped down.
    """

    jail: Jail
    programs: Path
    writes: tuple[Path, ...]
    reads: tuple[Path, ...]
    reads_all: bool = False
    connects: bool = False

    @contextlib.contextmanager
    def launch(self, argv: Sequence[str], *, death_signal: int = signal.SIGKILL) -> Iterator[Launch]:
        """How to start ``argv`` in here, in a session of its own. Raises OSError."""
        match self.jail.mechanism:
            case "bubblewrap":
                with _filter_file(self) as descriptor:
                    inside = [*_bubblewrap(self, descriptor), *_stepping_down(self), *argv]
                    yield Launch(
                        argv=inside,
                        prepare=process_limit.bounded(prctl.dying_with_us(signal.SIGKILL)),
                        descriptors=(descriptor,) if descriptor >= 0 else (),
                    )
            case "landlock":
                with contextlib.closing(_rules(self)) as rules:
                    yield Launch(argv=[*argv], prepare=_restricted(self, rules, death_signal))
            case "none":
                yield Launch(argv=[*argv], prepare=_unconfined(self, death_signal))


def _runnable(cell: Cell) -> list[Path]:
    """PostgreSQL's programs with what belongs to them, and LD_LIBRARY_PATH's libraries, outside of /usr."""
    folder = cell.programs
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    mine = [each for place in (folder, folder.resolve(), *_linked(folder)) for each in _installed(place)]
    mine += [Path(each) for each in libraries if each.startswith("/")]
    return [each for each in dict.fromkeys(mine) if not each.is_relative_to("/usr") and each != Path("/")]


def _installed(folder: Path) -> Iterator[Path]:
    yield folder
    if folder.name == "bin":
        yield from (each for name in _BESIDE_BIN if (each := folder.with_name(name)).is_dir())


def _linked(folder: Path) -> Iterator[Path]:
    """Where PostgreSQL's programs lie that are only linked into the folder."""
    others = (folder / name for name in ("postgres", "psql", "initdb"))
    yield from (each.resolve().parent for each in (*others, *folder.glob("pg_*")) if each.is_symlink())


# --- bubblewrap -----------------------------------------------------------------------------------------


def _bubblewrap(cell: Cell, filter_file: int) -> list[str]:
    """Its arguments up to the program. The root is a file system in memory that holds nothing else.

    Root makes the namespaces itself and steps down inside; others need a namespace of users for that. There
    is no /proc: nothing needs it, and a systemd unit that protects its own lets none be mounted.
    """
    argv = [str(_BUBBLEWRAP), "--die-with-parent", "--unshare-cgroup-try"]
    argv += ["--unshare-pid", "--unshare-net", "--unshare-ipc"]
    argv += ["--unshare-uts", "--hostname", orphans.HOST_NAME]
    argv += _system()
    argv += ["--dev", "/dev", "--dir", "/etc", "--dir", "/tmp"]  # noqa: S108 - in the jail
    seen = (*_runnable(cell), *cell.reads, *((cell.jail.sockets,) if cell.connects else ()))
    for path in _above((*seen, *cell.writes)):
        argv += ["--dir", str(path)]
    for path in (*_ETC, *seen):
        argv += ["--ro-bind-try", str(path), str(path)]
    for path in cell.writes:
        argv += ["--bind", str(path), str(path)]
    argv += ["--remount-ro", "/", "--chdir", "/"]
    return [*argv, "--seccomp", str(filter_file), "--"] if filter_file >= 0 else [*argv, "--"]


@cache
def _system() -> tuple[str, ...]:
    """bubblewrap's arguments for the system's programs and libraries, which do not move while we run."""
    argv: list[str] = []
    for path in _SYSTEM:
        if path.is_symlink():
            argv += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            argv += ["--ro-bind", str(path), str(path)]
    return tuple(argv)


def _above(paths: Sequence[Path]) -> list[Path]:
    """The folders on the way, which bubblewrap itself would make for root alone above a private one."""
    found = {parent for path in paths for parent in path.parents[:-1]}
    return sorted(each for each in found if not f"{each}/".startswith(_BELOW_SYSTEM))


def _stepping_down(cell: Cell) -> list[str]:
    """For root inside of its namespaces: become the account, with no more of root's rights than to read."""
    who = cell.jail.who
    if os.geteuid() != 0:
        return []
    argv = [str(_SETPRIV), f"--reuid={who.uid}", f"--regid={who.gid}", "--clear-groups", "--no-new-privs"]
    rights = "-all,+dac_read_search" if cell.reads_all else "-all"
    if cell.reads_all:
        argv.append("--securebits=+no_setuid_fixup")  # access(2), too, is to go by that right
    return [*argv, f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}", "--"]


@contextlib.contextmanager
def _filter_file(cell: Cell) -> Iterator[int]:
    """The filter of system calls in a file without a name; -1 where there is none for this processor."""
    content = seccomp.program(connects=cell.connects)
    if not content:
        yield -1
        return
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _bubblewrap_refused() -> str:
    """Nothing where it works, else what it says."""
    if not os.access(_BUBBLEWRAP, os.X_OK):
        return "not installed"
    jail = Jail(mechanism="bubblewrap", who=accounts.account(), sockets=Path("/"))
    try:
        with jail.worker(Path("/usr/bin"), writes=()).launch(["/bin/sh", "-c", ":"]) as start:
            done = subprocess.run(
                start.argv,
                pass_fds=start.descriptors,
                env=processes.small_environment(),
                cwd="/",
                capture_output=True,
                timeout=_TRIAL_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return " ".join(str(error).split())
    words = " ".join(done.stderr.decode(errors="replace").split())
    return "" if done.returncode == 0 else words or f"it ends with exit status {done.returncode}"


# --- Landlock -------------------------------------------------------------------------------------------


def _rules(cell: Cell) -> landlock.Ruleset:
    rules = landlock.Ruleset(landlock.version())
    try:
        rules.may_read((*_SYSTEM, *_runnable(cell)), run=True)
        rules.may_read((*_ETC, *_DEVICES, *cell.reads))
        rules.may_write((Path("/dev/null"), *cell.writes))
    except BaseException:
        rules.close()
        raise
    return rules


def _restricted(cell: Cell, rules: landlock.Ruleset, death_signal: int) -> Callable[[], None]:
    """For the child between fork and exec: everything is looked up and allocated before."""
    truncates = landlock.controls_truncate(landlock.version())
    install = prctl.filtering(seccomp.program(connects=cell.connects, truncates=truncates))
    step_down = _unconfined(cell, death_signal)

    def prepare() -> None:
        if cell.jail.who.credentials:
            capabilities.set_apart()
        step_down()
        prctl.gain_nothing()
        rules.restrict()
        install()

    return prepare


def _unconfined(cell: Cell, death_signal: int) -> Callable[[], None]:
    die = prctl.dying_with_us(death_signal)
    who = cell.jail.who

    def prepare() -> None:
        who.become(reads_all=cell.reads_all)
        die()  # afterwards: another account forgets the signal

    return process_limit.bounded(prepare)
