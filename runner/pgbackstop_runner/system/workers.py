"""Work side by side, in processes forked from this one: deadlines and signals are a process's own."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Callable
from typing import NoReturn

from pgbackstop_catalog.errors import Interrupted
from pgbackstop_runner.system import log, prctl, relayed, signals

_NUMBER = 8  # bytes; pipe(7): what is that short is written and read whole


def run(work: Callable[[int], object], count: int, *, at_once: int) -> None:
    """Do ``work(0)`` to ``work(count - 1)``, so many at a time, each in one of as many processes.

    What they did is to be seen in what they left: one that was killed is not told of. Raises Interrupted
    when a signal ends this process, once the others have cleaned up.
    """
    numbers, giver = os.pipe()
    living: set[int] = set()
    displays = relayed.Displays()
    try:
        for _ in range(min(at_once, count)):
            with signals.deferred():
                living.add(_start(work, numbers, giver, displays))
        os.close(numbers)
        displays.start()
        with contextlib.suppress(BrokenPipeError), os.fdopen(giver, "wb", buffering=0) as to_do:
            for number in range(count):
                to_do.write(number.to_bytes(_NUMBER, "big"))
        while living:
            living.discard(_wait(next(iter(living))))
    finally:
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in living:
            _wait(pid)
        displays.end()


def _wait(pid: int) -> int:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return pid


def _start(work: Callable[[int], object], numbers: int, giver: int, displays: relayed.Displays) -> int:
    dies_with_us = prctl.dying_with_us()
    with displays.forking() as show_by_us, warnings.catch_warnings():
        # Of other threads, whose locks stay taken in the child: here there are none of ours.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
        if not pid:
            dies_with_us()
            show_by_us()
            os.close(giver)
            _work(work, numbers)
    return pid


def _work(work: Callable[[int], object], numbers: int) -> NoReturn:
    """Take numbers until there are none. Only os._exit leads out: the open blocks are the parent's to end."""
    try:
        signals.install()
        while number := os.read(numbers, _NUMBER):
            work(int.from_bytes(number, "big"))
    except Interrupted as error:
        os._exit(error.exit_code)
    except BaseException as error:
        log.as_error(error)
        os._exit(1)
    os._exit(0)
