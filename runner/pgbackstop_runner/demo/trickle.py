"""New orders while the demo runs, so that there is always something to lose."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from pgbackstop_runner.demo import shop

PAUSE_SECONDS = 2.0


@dataclass
class Trickle:
    """A thread that places an order every two seconds. ``connect`` gives the owner's connection."""

    connect: Callable[[], psycopg.Connection]
    orders: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="trickle")
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last order."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._sell()
            except psycopg.Error:
                # The server is away; that is shown elsewhere, and it may come back.
                self._over.wait(PAUSE_SECONDS)

    def _sell(self) -> None:
        with closing(self.connect()) as connection:
            while not self._over.wait(PAUSE_SECONDS):
                shop.place_order(connection)
                self.orders += 1
