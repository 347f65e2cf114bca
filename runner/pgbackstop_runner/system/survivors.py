"""Processes that go on when we end, and that our successor finds again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_runner.system import processes
from pgbackstop_runner.system.processes import Identity

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Survivor:
    """A process that outlives us, the leader of its own group; ``process`` is None where others began it."""

    identity: Identity
    process: subprocess.Popen[bytes] | None = None

    def has_ended(self) -> bool:
        """Whether it is gone; a child of ours is reaped by that."""
        if self.process is not None:
            return self.process.poll() is not None
        return processes.identify(self.identity.pid) != self.identity

    @property
    def exit_status(self) -> int | None:
        """That of a child of ours that has ended, negative for a signal."""
        return self.process.returncode if self.process is not None else None

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens where it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if not self.has_ended():
                os.killpg(self.identity.pid, number)


def start(argv: Sequence[str], *, log: int, env: Mapping[str, str]) -> Survivor:
    """Start a process that goes on when we end, whose output is written into the descriptor ``log``.

    ``env`` is added to our environment. Raises OSError, ValueError for a NUL in the arguments.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, **env},
        start_new_session=True,
    )
    # One that has ended already has no identity, and nobody is mistaken for it.
    return Survivor(
        identity=processes.identify(process.pid) or Identity(pid=process.pid, started=0), process=process
    )


def boot() -> str:
    """Which start of the machine this is: numbers and times of processes begin anew with each.

    It is "" where the kernel does not tell.
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
