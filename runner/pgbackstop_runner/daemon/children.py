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

from pgbackstop_runner.system import prctl

# How often a child's log is passed on, in seconds.
PACE = 0.25
_BLOCK = 65536
_TAIL_BYTES = 4096


@dataclass(kw_only=True)
class Tail:
    """What is written into a file, passed on into ``out`` as it comes; its end is kept."""

    log: int
    out: BinaryIO
    _passed: int = 0
    _kept: bytes = b""

    @classmethod
    def resume(cls, log: int, out: BinaryIO) -> Tail:
        """Of a file whose lines somebody else has passed on before us."""
        made = cls(log=log, out=out)
        with contextlib.suppress(OSError):
            made._passed = os.fstat(log).st_size
            made._kept = os.pread(log, _TAIL_BYTES, max(0, made._passed - _TAIL_BYTES))
        return made

    def pass_on(self) -> None:
        """What was written since the last time; nothing where a disk in trouble does not give it."""
        with contextlib.suppress(OSError):
            while block := os.pread(self.log, _BLOCK, self._passed):
                self._passed += len(block)
                self._kept = (self._kept + block)[-_TAIL_BYTES:]
                self._write(block)

    def _write(self, block: bytes) -> None:
        """Whoever reads our log may be gone; the records tell the same."""
        with contextlib.suppress(OSError, ValueError):
            self.out.write(block)
            self.out.flush()

    def words(self, lines: int = 20) -> str:
        """The last lines."""
        return "\n".join(self._kept.decode(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Close the file."""
        os.close(self.log)


@dataclass(kw_only=True)
class Child:
    """A started process, the leader of its own group. ``tail`` is None where it writes into our log."""

    process: asyncio.subprocess.Process
    tail: Tail | None
    started: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def lasted(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    async def wait(self) -> int:
        """Its exit status, negative for a signal; passes its log on until then, and closes it."""
        if self.tail is None:
            return await self.process.wait()
        waiting = asyncio.ensure_future(self.process.wait())
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=PACE)
                self.tail.pass_on()
        finally:
            waiting.cancel()
            self.tail.close()
        return waiting.result()

    def words(self) -> str:
        """The last lines that it wrote."""
        return self.tail.words() if self.tail is not None else ""

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens where it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.returncode is None:
                os.killpg(self.pid, number)


async def start(
    argv: Sequence[str],
    *,
    keep_words: bool,
    output: int | Literal["words"] | None = None,
    env: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
) -> Child:
    """Start a child. Raises OSError where that is impossible.

    ``output`` is the descriptor of its standard output, which is ours where that is left out; with "words"
    what it prints is kept as what it logs is. ``env`` is added to our environment. It inherits
    the descriptors ``inherited`` under their numbers.
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
            pass_fds=inherited,
            preexec_fn=prctl.dying_with_us(),
        )
    except BaseException:
        if log is not None:
            os.close(log)
        raise
    return Child(process=process, tail=None if log is None else Tail(log=log, out=sys.stderr.buffer))


async def stop(children: Sequence[Child], *, seconds: float) -> None:
    """SIGTERM to all; SIGKILL to those that are there after ``seconds``. Their waiters see them end."""
    for child in children:
        child.send(signal.SIGTERM)
    if children:
        ends = [asyncio.ensure_future(child.process.wait()) for child in children]
        await asyncio.wait(ends, timeout=seconds)
    for child in children:
        child.send(signal.SIGKILL)
