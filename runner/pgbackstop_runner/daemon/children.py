"""Child processes that never outlive us, and whose last words are kept.

A child writes its log into a file without a name, from where it is passed on: a pipe would break when we are
killed, and a child that cleans up after itself would die of its next log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from pgbackstop_runner.system import processes

# How often a child's log is passed on, in seconds.
_PACE = 0.25
_BLOCK = 65536
_TAIL_BYTES = 4096


@dataclass(kw_only=True)
class Child:
    """A started process, the leader of its own group. ``log`` is None where it writes into ours itself."""

    process: asyncio.subprocess.Process
    log: int | None
    out: BinaryIO
    started: float = field(default_factory=time.monotonic)
    _passed: int = 0
    _tail: bytes = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def lasted(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    async def wait(self) -> int:
        """Its exit status, negative for a signal; passes its log on until then."""
        waiting = asyncio.ensure_future(self.process.wait())
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=_PACE if self.log is not None else None)
                self._pass_on()
        finally:
            waiting.cancel()
            if self.log is not None:
                os.close(self.log)
                self.log = None
        return waiting.result()

    def words(self, lines: int = 20) -> str:
        """The last lines that it wrote."""
        return "\n".join(self._tail.decode(errors="replace").splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens where it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.returncode is None:
                os.killpg(self.pid, number)

    def _pass_on(self) -> None:
        if self.log is None:
            return
        while block := os.pread(self.log, _BLOCK, self._passed):
            self._passed += len(block)
            self._tail = (self._tail + block)[-_TAIL_BYTES:]
            # Whoever reads our log may be gone; the records tell the same.
            with contextlib.suppress(OSError, ValueError):
                self.out.write(block)
                self.out.flush()


async def start(
    argv: Sequence[str],
    *,
    keep_words: bool,
    output: int | Literal["words"] | None = None,
    env: Mapping[str, str] | None = None,
) -> Child:
    """Start a child. Raises OSError where that is impossible.

    ``output`` is the descriptor of its standard output, which is ours where that is left out; with "words"
    what it prints is kept as what it logs is. ``env`` is added to our environment.
    """
    log = os.memfd_create("log", os.MFD_CLOEXEC) if keep_words else None
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log if output == "words" else output,
            env={**os.environ, **(env or {})},
            stderr=log,
            start_new_session=True,
            preexec_fn=processes.dying_with_us(),
        )
    except BaseException:
        if log is not None:
            os.close(log)
        raise
    return Child(process=process, log=log, out=sys.stderr.buffer)


async def stop(children: Sequence[Child], *, seconds: float) -> None:
    """SIGTERM to all; SIGKILL to those that are there after ``seconds``. Their waiters see them end."""
    for child in children:
        child.send(signal.SIGTERM)
    if children:
        ends = [asyncio.ensure_future(child.process.wait()) for child in children]
        await asyncio.wait(ends, timeout=seconds)
    for child in children:
        child.send(signal.SIGKILL)
