"""What a restore or a recovery would do, as ``--dry-run`` of the command says it.

That of a restore reads every byte of the backup, which takes its time: it is a child, which ends when the
daemon does, and whoever looks at the same restore waits for the same one.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.text import said
from pgbackstop_runner.console.command_line import command
from pgbackstop_runner.console.wishes import Told, Wish
from pgbackstop_runner.daemon import children
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_AT_ONCE: Final = 2
_MOST_WAITING: Final = 8
_MOST_KEPT: Final = 64
# A plan is looked at, and then somebody thinks, and types. For who comes later it is drawn anew, and nothing
# is started.
_FRESH: Final = 600.0
_STOP_SECONDS: Final = 10.0
# What main.py says of an error, below what was logged.
_REFUSED: Final = re.compile(
    r"^pgbackstop: (?P<problem>.*?)(?:\n  → (?P<remedy>.*))?\Z", re.DOTALL | re.MULTILINE
)


@dataclass(kw_only=True)
class Drawing:
    """The plan of one wish: what was ``told``, or the ``problem`` for which nothing was.

    ``ended``, and when it was last ``seen``, are seconds of the monotonic clock.
    """

    began_at: datetime = field(default_factory=utc_now)
    ended: float | None = None
    seen: float = 0.0
    told: Told | None = None
    problem: str = ""
    remedy: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_good(self) -> bool:
        """Whether it can be done, as far as is known."""
        return self.told is not None


@dataclass
class RestorePlans:
    """Those that somebody looked at since the daemon began."""

    _known: dict[Wish, Drawing] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def stand(self) -> tuple[bool, ...]:
        """What is another value once a plan was drawn."""
        return tuple(each.over.is_set() for each in self._known.values())

    def require(self, wish: Wish) -> Told:
        """The plan that somebody has just seen. Raises ValidationError where nobody has, or it is refused."""
        drawing = self._known.get(wish)
        if drawing is None or drawing.told is None or time.monotonic() - drawing.seen > _FRESH:
            raise errors.ValidationError(
                said(
                    "Nobody has seen the plan of this within {minutes:.0f} minutes, or it cannot be done; "
                    "nothing was started.",
                    minutes=_FRESH / 60,
                ),
                remedy=said("Look at its plan first."),
            )
        return drawing.told

    def forget(self, wish: Wish) -> None:
        """It is being done: what it would do another time is another plan."""
        self._known.pop(wish, None)

    def shown(self, workspace: Workspace, wish: Wish, request: web.Request) -> Drawing:
        """The one for a page; one that waits asks again, and is told also that it was refused meanwhile."""
        waited_for = self._known.get(wish) if "HX-Request" in request.headers else None
        return waited_for or self.look(workspace, wish)

    def look(self, workspace: Workspace, wish: Wish) -> Drawing:
        """The one that is being drawn, or was a few minutes ago; a refused one is drawn anew. Raises Busy."""
        found = self._known.get(wish)
        if found is not None and (
            found.ended is None or (found.is_good and time.monotonic() - found.ended < _FRESH)
        ):
            found.seen = time.monotonic()
            return found
        if sum(each.ended is None for each in self._known.values()) >= _MOST_WAITING:
            raise errors.Busy(
                said("{n} plans are being drawn already, and each reads a whole backup.", n=_MOST_WAITING),
                remedy=said("Wait until one of them is there."),
            )
        drawing = Drawing()
        self._known.pop(wish, None)
        self._known[wish] = drawing
        self._forget_oldest()
        task = asyncio.create_task(self._draw(workspace, wish, drawing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return drawing

    async def stop(self) -> None:
        """End what is being drawn."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _draw(self, workspace: Workspace, wish: Wish, drawing: Drawing) -> None:
        try:
            async with self._turn:
                await _ask(workspace, wish, drawing)
        except Exception as error:
            known = log.as_error(error)
            drawing.problem, drawing.remedy = known.problem, known.remedy
        finally:
            drawing.ended = drawing.seen = time.monotonic()
            drawing.over.set()

    def _forget_oldest(self) -> None:
        ended = [wish for wish, each in self._known.items() if each.ended is not None]
        for wish in ended[: max(0, len(self._known) - _MOST_KEPT)]:
            del self._known[wish]


async def _ask(workspace: Workspace, wish: Wish, drawing: Drawing) -> None:
    with tempfile.TemporaryFile() as output:
        argv = command(workspace, *wish.dry_run())
        child = await children.start(argv, keep_words=True, output=output.fileno())
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await children.stop([child], seconds=_STOP_SECONDS)
            raise
        if code == 0:
            output.seek(0)
            drawing.told = wish.told(output.read())
        else:
            _refuse(drawing, child.words(), code)


def _refuse(drawing: Drawing, words: str, code: int) -> None:
    found = _REFUSED.search(words)
    drawing.problem = (
        found["problem"]
        if found
        else said("The plan was not drawn: it ended with exit code {code}.", code=code)
    )
    drawing.remedy = (found["remedy"] or "") if found else ""
