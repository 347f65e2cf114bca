"""What was looked at on this machine, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgbackstop_catalog import units
from pgbackstop_runner.discovery.statuses import DiscoveryStatus
from pgbackstop_runner.system.jail_choice import Choice

# missing: a backup, or what the configuration asks for, will fail. advice: it works, but not as well.
State = Literal["ok", "missing", "advice", "unknown"]
# Recoveries are to moments, which are written by people and by other machines' clocks.
_MOST_SECONDS_APART = 2.0
_REDHAT = {
    "postgresql-client": "postgresql{major}",
    "postgresql": "postgresql{major}-server",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``remedy`` says how to get what is not there."""

    what: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Packages:
    """How this machine's packages are installed; ``family`` are ID and ID_LIKE of its os-release."""

    family: frozenset[str] = frozenset()

    def install(self, name: str, major: int | None = None) -> str:
        """Return what to do to have a package, which PostgreSQL's major version is part of."""
        debian = f"{name}-{major}" if major else name
        if self.family & {"debian", "ubuntu"}:
            hint = " (from apt.postgresql.org where the distribution lacks it)" if major else ""
            return f"apt install {debian}{hint}"
        if self.family & {"rhel", "fedora", "centos"}:
            hint = " (from yum.postgresql.org where the distribution lacks it)" if major else ""
            return f"dnf install {_REDHAT.get(name, name).format(major=major)}{hint}"
        return f"install {debian}"


def discovery(source: DiscoveryStatus, age: str) -> Finding:
    """Judge a source of servers: while it gives nothing, those that it gave stay."""
    what = f"discovery {source.source}"
    known = units.format_count(source.servers, "server")
    if source.last_asked is None:
        remedy = "run 'pgbackstop discovery refresh', or the daemon"
        return Finding(what=what, state="missing", found="nobody has asked it yet", remedy=remedy)
    if source.problem:
        words = f"{source.problem}; last answer {age}, its {known} stay"
        return Finding(what=what, state="advice", found=words, remedy="mend it, or the configuration")
    return Finding(what=what, state="ok", found=f"{known}, last answer {age}")


def tool(name: str, path: str | None, packages: Packages, *, needed: bool) -> Finding:
    """Judge a program that decompresses; without need it is for those who restore by hand."""
    if path is not None:
        return Finding(what=name, state="ok", found=path)
    what_for = "a recovery needs it to read the WAL archive" if needed else "restores by hand need it"
    return Finding(
        what=name,
        state="missing" if needed else "advice",
        found=f"not installed; {what_for}",
        remedy=packages.install(name),
    )


def jail(choice: Choice, packages: Packages, *, drills: bool, unconfined: bool) -> Finding:
    """Judge what a drill, and the reading of backups, would run in."""
    found = f"{choice.mechanism} ({choice.reason})"
    if choice.mechanism == "bubblewrap":
        return Finding(what="jail", state="ok", found=found)
    needed = choice.mechanism == "none" and drills and not unconfined
    return Finding(
        what="jail",
        state="missing" if needed else "ok" if choice.mechanism == "landlock" else "advice",
        found=found,
        remedy="" if choice.mechanism == "landlock" else packages.install("bubblewrap"),
    )


def room(name: str, place: str, problem: str, free: int | None, reserve: int) -> Finding:
    """Judge a storage in a folder."""
    what = f"storage {name}"
    if problem:
        return Finding(what=what, state="missing", found=problem)
    if free is None:
        return Finding(what=what, state="unknown", found=f"{place}: the room cannot be asked for")
    words = f"{place}: {units.format_size(free)} free, {units.format_size(reserve)} in reserve"
    if free > reserve:
        return Finding(what=what, state="ok", found=words)
    remedy = "Make room, or let fewer backups be kept: 'pgbackstop expire --dry-run'."
    return Finding(what=what, state="missing", found=words, remedy=remedy)


def remote(name: str, place: str, problem: str) -> Finding:
    """Judge a storage elsewhere."""
    what = f"storage {name}"
    if problem:
        return Finding(what=what, state="missing", found=problem)
    return Finding(what=what, state="ok", found=f"{place}: reached, and it is the one that the catalog knows")


def clock(synchronized: bool | None, apart: Mapping[str, float], packages: Packages) -> Finding:
    """Judge the clock: whether the kernel calls it synchronized, and seconds between it and the servers'."""
    late = {name: seconds for name, seconds in apart.items() if abs(seconds) > _MOST_SECONDS_APART}
    if late:
        words = ", ".join(f"{seconds:+.0f} s on server {name}" for name, seconds in late.items())
        remedy = f"Let both keep the time: {packages.install('chrony')}."
        return Finding(what="clock", state="advice", found=f"another time: {words}", remedy=remedy)
    if synchronized is None:
        return Finding(what="clock", state="unknown", found="the kernel does not say whether it is right")
    if synchronized:
        return Finding(what="clock", state="ok", found="synchronized")
    return Finding(what="clock", state="advice", found="not synchronized", remedy=packages.install("chrony"))


def is_complete(found: Sequence[Finding]) -> bool:
    """Return whether nothing is missing."""
    return all(each.state != "missing" for each in found)
