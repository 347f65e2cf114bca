"""Which mechanism makes a jail: a decision over what this host has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgbackstop_catalog import errors

Mechanism = Literal["bubblewrap", "landlock", "none"]
Wish = Literal["auto", "bubblewrap", "landlock"]
_OLDEST_LANDLOCK = 2  # before it no file could be moved to another folder


@dataclass(frozen=True, kw_only=True)
class Host:
    """What this host can make a jail of: why bubblewrap does not work, or nothing; Landlock's version."""

    bubblewrap_refused: str
    landlock: int
    filtered: bool


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The mechanism, and why it is that one."""

    mechanism: Mechanism
    reason: str


def choose(host: Host, wish: Wish = "auto") -> Choice:
    """The strongest jail that the host has, or that was asked for; "none" where it cannot be had."""
    has_landlock = host.landlock >= _OLDEST_LANDLOCK and host.filtered
    no_landlock = (
        "there is no filter of system calls for this processor"
        if not host.filtered
        else "the kernel has no Landlock of version 2 (Linux 5.19), or it is switched off"
    )
    if wish != "landlock" and not host.bubblewrap_refused:
        return Choice(mechanism="bubblewrap", reason="bubblewrap works here")
    if wish == "bubblewrap":
        return Choice(mechanism="none", reason=f"bubblewrap: {host.bubblewrap_refused}")
    if has_landlock:
        reason = f"Landlock version {host.landlock} with a filter of system calls"
        why = "asked for by drills.jail" if wish == "landlock" else f"bubblewrap: {host.bubblewrap_refused}"
        return Choice(mechanism="landlock", reason=f"{reason}; {why}")
    refused = f"bubblewrap: {host.bubblewrap_refused}; " if wish == "auto" else ""
    return Choice(mechanism="none", reason=f"{refused}Landlock: {no_landlock}")


def require(choice: Choice, *, unconfined: bool) -> None:
    """Raises ConfigError where there is no jail and nobody has said that there need be none."""
    if choice.mechanism == "none" and not unconfined:
        raise errors.ConfigError(
            f"A drill would run what the database contains without a jail ({choice.reason}).",
            remedy="Install bubblewrap, or use a kernel with Landlock; see docs/explanation/jail.md before "
            "setting drills.unconfined: true.",
        )
