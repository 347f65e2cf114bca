"""What processes side by side do, shown by the one that has the terminal: two would write over each other."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from pgbackstop_catalog.text import bounded
from pgbackstop_runner.system import meter
from pgbackstop_runner.system.meter import Work

_PAUSE: Final = 0.25  # seconds: as often as a bar is drawn
_MOST_LETTERS: Final = 10_000  # of a line, each at most six bytes of JSON
_MOST_BYTES: Final = 100_000  # unix(7): a packet is sent whole, and there is room for it in 208 KiB


class Displays:
    """Shows what the processes do that are forked from this one; nothing where nobody watches."""

    def __init__(self) -> None:
        self._sources: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def forking(self) -> Iterator[Callable[[], None]]:
        """Around a fork: gives what the child is to call first."""
        if not meter.is_watched():
            yield lambda: None
            return
        # unix(7): packets come whole, in order, and when the child has ended an empty one.
        source, to = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sources.append(source)
        with to:
            yield lambda: meter.watch(_Relay(to))

    def start(self) -> None:
        """Show what they do from now on: once all are forked, since a fork takes no thread along."""
        self._threads = [threading.Thread(target=_show, args=(each,)) for each in self._sources]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Show what is still to be shown of those that have ended."""
        for thread in self._threads:
            thread.join()
        for source in self._sources:
            source.close()


def _show(source: socket.socket) -> None:
    """Show what a process does, until it ends."""
    works: dict[tuple[int, str], Work] = {}
    while packet := source.recv(_MOST_BYTES):
        message = json.loads(packet)
        if "line" in message:
            meter.say(message["line"])
        else:
            works = _followed(works, message["works"])
    meter.show_elsewhere(works.values(), ())


def _followed(
    before: dict[tuple[int, str], Work], facts: list[tuple[int, str, int, int | None]]
) -> dict[tuple[int, str], Work]:
    """The works as they are there by now; the display is told where they are others."""
    now = {}
    for number, what, done, total in facts:
        now[number, what] = work = before.get((number, what)) or Work(what=what)
        work.reached(done, total)
    if now.keys() != before.keys():
        meter.show_elsewhere(before.values(), now.values())
    return now


class _Relay:
    """A display that is another process's."""

    def __init__(self, to: socket.socket) -> None:
        self._to = to
        self._works: tuple[Work, ...] = ()
        self._turn = threading.RLock()  # so that what is repeated is never older than what was told
        threading.Thread(target=self._repeat, daemon=True).start()

    def show(self, works: tuple[Work, ...]) -> None:
        with self._turn:
            self._works = works
            self._send_works()

    def say(self, line: str) -> None:
        self._send({"line": bounded(line, _MOST_LETTERS)})

    def _send_works(self) -> None:
        self._send({"works": [(id(each), each.what, each.done, each.total) for each in self._works]})

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the other process has ended
            self._to.send(json.dumps(message).encode())

    def _repeat(self) -> None:
        """Tell how far it has come: the works count by themselves."""
        pause = threading.Event()
        while not pause.wait(_PAUSE):
            with self._turn:
                if self._works:
                    self._send_works()
