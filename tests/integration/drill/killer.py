"""``pgbackstop drill`` that ends by SIGKILL while a step of its is going: ``killer.py STEP CONFIG WORDS...``.

The signal comes from a thread, a moment after the step has begun, so that what the step has started lives.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from pgbackstop_runner import main
from pgbackstop_runner.drill import record

STEP, CONFIG, *WORDS = sys.argv[1:]
whole = record.Drill.step


@contextlib.contextmanager
def step(self: record.Drill, name: str) -> Iterator[None]:
    if name == STEP:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    with whole(self, name):
        yield
    if name == STEP:
        signal.pause()  # the step was faster than the thread


record.Drill.step = step  # type: ignore[method-assign] # the moment of death is what is tested
sys.argv = ["pgbackstop", "--config", CONFIG, *WORDS]
main.run()
