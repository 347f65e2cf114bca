"""What a restore would do, as ``pgbackstop restore --dry-run`` says it.

It reads every byte of the backup, which takes its time: it is a child, which ends when the daemon does, and
whoever looks at the same restore waits for the same one.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console.operations import command
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.children import Child
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_AT_ONCE: Final = 2
_MOST_KEPT: Final = 64
# A plan is looked at, and then somebody thinks, and types: it is drawn anew for who comes later.
_FRESH: Final = 600.0
_STOP_SECONDS: Final = 10.0
# What main.py says of an error, below what was logged.
_REFUSED: Final = re.compile(
    r"^pgbackstop: (?P<problem>.*?)(?:\n  → (?P<remedy>.*))?\Z", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants restored; ``into`` is "" where it is to take the live database's place."""

    backup: str
    into: str = ""
    roles: bool = False
    accept_missing: bool = False

    def arguments(self, *options: str) -> tuple[str, ...]:
        """The command line after ``pgbackstop``; a name in it is never read as an option."""
        wanted = (
            *((f"--into={self.into}",) if self.into else ()),
            *(("--globals",) if self.roles else ()),
            *(("--accept-missing",) if self.accept_missing else ()),
        )
        return ("restore", *wanted, *options, "--", self.backup)


@dataclass(kw_only=True)
class Drawing:
    """The plan of one restore: ``lines`` of what and how, or the ``problem`` for which there is none.

    ``confirm`` is what must be typed before it is done; "" where nothing is replaced.
    """

    began_at: datetime = field(default_factory=utc_now)
    ended: float | None = None
    lines: tuple[tuple[str, str], ...] = ()
    confirm: str = ""
    problem: str = ""
    remedy: str = ""
    child: Child | None = field(default=None, repr=False)

    @property
    def is_good(self) -> bool:
        """Whether the restore can be done, as far as is known."""
        return bool(self.lines)


@dataclass
class RestorePlans:
    """Those that somebody looked at since the daemon began."""

    _known: dict[Wish, Drawing] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def known(self, wish: Wish) -> Drawing | None:
        """The one that was drawn last, as it is now."""
        return self._known.get(wish)

    def look(self, workspace: Workspace, wish: Wish) -> Drawing:
        """The one that is being drawn, or was a few minutes ago; a refused one is drawn anew."""
        found = self._known.get(wish)
        if found is not None and (
            found.ended is None or (found.is_good and time.monotonic() - found.ended < _FRESH)
        ):
            return found
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
                await _ask(command(workspace, *wish.arguments("--dry-run", "--json")), drawing)
        except Exception as error:
            known = log.as_error(error, backup=wish.backup)
            drawing.problem, drawing.remedy = known.problem, known.remedy
        finally:
            drawing.child, drawing.ended = None, time.monotonic()

    def _forget_oldest(self) -> None:
        ended = [wish for wish, each in self._known.items() if each.ended is not None]
        for wish in ended[: max(0, len(self._known) - _MOST_KEPT)]:
            del self._known[wish]


async def _ask(argv: list[str], drawing: Drawing) -> None:
    with tempfile.TemporaryFile() as output:
        child = drawing.child = await children.start(argv, keep_words=True, output=output.fileno())
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await children.stop([child], seconds=_STOP_SECONDS)
            raise
        if code == 0:
            output.seek(0)
            _take(drawing, output.read())
        else:
            _refuse(drawing, child.words(), code)


def _take(drawing: Drawing, document: bytes) -> None:
    found: dict[str, str | list[str]] = json.loads(document)
    drawing.confirm = str(found.pop("confirm"))
    drawing.lines = tuple(
        (what, each) for what, how in found.items() for each in ([how] if isinstance(how, str) else how)
    )


def _refuse(drawing: Drawing, words: str, code: int) -> None:
    said = _REFUSED.search(words)
    drawing.problem = said["problem"] if said else f"The plan was not drawn: it ended with exit code {code}."
    drawing.remedy = (said["remedy"] or "") if said else ""
