"""Who runs the server: PostgreSQL refuses root, so root steps down to somebody without rights."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pgbackstop_catalog import errors
from pgbackstop_runner.system import capabilities, processes


class Credentials(TypedDict, total=False):
    """The keyword arguments of subprocess.Popen that choose who runs the child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who runs the server; ``credentials`` is empty when it is us."""

    name: str
    uid: int
    gid: int

    @property
    def credentials(self) -> Credentials:
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand a file or folder to this account; of a link the link alone."""
        if self.credentials:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_all(self, folder: Path) -> None:
        """Hand over a folder with all that is in it.

        By descriptors: who owns a part of it already could put a link in the place of what is next.
        """
        if not self.credentials:
            return
        for _, folders, files, descriptor in os.fwalk(folder):
            for name in (*folders, *files):
                os.chown(name, self.uid, self.gid, dir_fd=descriptor, follow_symlinks=False)
        self.own(folder)

    @contextlib.contextmanager
    def acting(self, *, reads_all: bool = False) -> Iterator[None]:
        """Let this thread do with files what this account may do, where that is not us.

        Whatever this account may have put into its folders cannot lead root elsewhere. Raises OSError.
        """
        if not self.credentials:
            yield
            return
        with capabilities.files_as(self.uid, self.gid, reads_all=reads_all):
            yield

    def become(self, *, reads_all: bool = False) -> None:
        """For a child between fork and exec: be this account. Raises OSError."""
        if self.credentials:
            capabilities.become(self.uid, self.gid, reads_all=reads_all)

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may write into ``folder``, tried for real."""
        return self._try(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(folder)])

    def can_reach(self, folder: Path) -> bool:
        """Whether every folder above lets this account through, tried for real."""
        return self._try(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])

    def can_read(self, *paths: Path) -> bool:
        """Whether this account may read all of these files, tried for real."""
        script = 'for path do test -r "$path" || exit 1; done'
        return self._try(["/bin/sh", "-c", script, "sh", *map(str, paths)])

    def can_run(self, program: Path) -> bool:
        """Whether this account may run a program of PostgreSQL."""
        return self._try([str(program), "--version"])

    def can_import(self, module: str) -> bool:
        """Whether this account may run our own interpreter, and read a module with all that it imports."""
        # Where we look, which a variable may have said that the account is not given.
        program = f"import sys; sys.path[:] = sys.argv[1:]; import {module}"
        return self._try([sys.executable, "-c", program, *filter(None, sys.path)])

    def require_run(self, program: Path) -> None:
        """Raises ConfigError where this account, who is not us, may not run a program of PostgreSQL."""
        if self.credentials and not self.can_run(program):
            raise errors.ConfigError(
                f"The server will run as {self.name}, who cannot run {program}.",
                remedy="Let it into that folder, or set bin_dir of the server.",
            )

    def _try(self, argv: list[str]) -> bool:
        try:
            # Ours is not for it: an account may read the environment of its processes.
            done = subprocess.run(
                argv,
                cwd="/",
                capture_output=True,
                check=False,
                env=processes.small_environment(),
                **self.credentials,
            )
        except OSError:
            return False
        return done.returncode == 0


def is_ours(folder: Path) -> bool:
    """Whether nobody but us and root can put another folder in its place. Raises OSError."""
    real = folder.resolve(strict=True)
    return all(_is_kept(each.stat()) for each in (real, *real.parents))


def _is_kept(folder: os.stat_result) -> bool:
    """In a sticky folder, like /tmp, others cannot touch what is not theirs."""
    others = stat.S_IWOTH | (stat.S_IWGRP if folder.st_gid != 0 else 0)
    open_to_others = folder.st_mode & others and not folder.st_mode & stat.S_ISVTX
    return folder.st_uid in {0, os.geteuid()} and not open_to_others


def give(folder: Path, who: Account) -> None:
    """Hand an empty folder to the account that is to fill it, and to nobody else. Raises OSError.

    By a descriptor: what the name stands for may change under our eyes, where others may write.
    """
    if not who.credentials:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.listdir(descriptor):  # noqa: PTH208 - a Path has no descriptor
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(folder))
        os.fchown(descriptor, who.uid, who.gid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def become_owner_of(folder: Path) -> str:
    """Let root continue as the owner of a folder, for good; the name, empty where nothing changed.

    What root makes there its owner could neither read nor replace. Raises ConfigError, with the line to type,
    where the owner cannot run this program.
    """
    there = next(each for each in (folder, *folder.parents) if each.exists())
    owner = there.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return ""
    who = _named(owner)
    if not who.can_import("pgbackstop_runner.backup.run"):
        raise errors.ConfigError(
            f"{there} belongs to {who.name}, and what root makes there {who.name} could not read.",
            remedy=f"Let {who.name} run this program: {shlex.join(['sudo', '-u', who.name, *sys.argv])}",
        )
    with contextlib.suppress(KeyError):
        os.environ["HOME"] = pwd.getpwuid(who.uid).pw_dir
    os.setgroups([who.gid] if who.name.startswith("#") else os.getgrouplist(who.name, who.gid))
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    return who.name


def _named(owner: os.stat_result) -> Account:
    try:
        entry = pwd.getpwuid(owner.st_uid)
    except KeyError:
        return Account(name=f"#{owner.st_uid}", uid=owner.st_uid, gid=owner.st_gid)
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def no_link(path: str, flags: int) -> int:
    """An opener for open(), for files in a folder of another account: it must not lead root elsewhere.

    What it creates has mode 0600. It raises OSError for a link.
    """
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def account() -> Account:
    """Ourselves, or for root somebody without rights. Raises ConfigError on a system without either."""
    if os.geteuid() != 0:
        return Account(name="", uid=os.geteuid(), gid=os.getegid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise errors.ConfigError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody to step down to.",
        remedy="Run this as an ordinary user.",
    )


def place_for(who: Account, prefix: str) -> Path:
    """A new temporary folder that ``who`` can enter and run programs in. Raises ConfigError.

    /var/tmp comes first: it outlives a restart of the machine.
    """
    for parent in dict.fromkeys((Path("/var/tmp"), Path(tempfile.gettempdir()))):  # noqa: S108 - mkdtemp
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            who.own(folder)
            if who.can_enter(folder):
                return folder
            folder.rmdir()
    raise errors.ConfigError(
        f"User {who.name or who.uid} can enter neither this folder nor a temporary one.",
        remedy="Choose a folder that it can enter.",
    )
