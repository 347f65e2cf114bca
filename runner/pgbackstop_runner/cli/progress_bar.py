"""Bars of the work that is being done, at a terminal: on standard error, and gone when it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from pgbackstop_catalog import text as words
from pgbackstop_catalog import units
from pgbackstop_runner.system.meter import Work

_NARROW = 60  # columns, below which there is no room for a bar beside the numbers
_A_SECOND = 4


class Bar:
    """Shows what is being done, a line each, and lines that stay above."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._shown: _Shown | None = None

    def show(self, works: tuple[Work, ...]) -> None:
        """Show these instead of what was shown before; none: the terminal is as it was."""
        if not works and self._shown is not None:
            self._shown.stop()
            self._shown = None
        elif works:
            begun = self._shown or _Shown(self._console)
            begun.follow(works)
            if self._shown is None:
                self._shown = begun
                begun.start()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(Text(words.plain(line)), soft_wrap=True)


class _Shown(Progress):
    """Looks at the works whenever it is drawn."""

    def __init__(self, console: Console) -> None:
        bar = (BarColumn(bar_width=None),) if console.width >= _NARROW else ()
        name = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._works: dict[TaskID, Work] = {}  # which the base draws before it is whole itself
        super().__init__(
            SpinnerColumn("line"),
            name,
            *bar,
            _Numbers(table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            transient=True,
            refresh_per_second=_A_SECOND,
            # What goes elsewhere than to this terminal is not to be drawn at it.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            expand=True,
        )

    def follow(self, works: tuple[Work, ...]) -> None:
        """A line for each."""
        known = {task: work for task, work in self._works.items() if work in works}
        gone, self._works = self._works.keys() - known.keys(), known
        for task in gone:
            self.remove_task(task)
        self._works = known | {
            self.add_task(words.plain(work.what), total=None): work
            for work in works
            if work not in known.values()
        }

    def get_renderables(self) -> Iterable[RenderableType]:
        """As it is at this moment."""
        for task, work in self._works.items():
            done, total = work.done, work.total or None
            with contextlib.suppress(KeyError):  # it has ended at this moment, in its own thread
                self.update(task, completed=min(done, total) if total else done, total=total)
        yield from super().get_renderables()


class _Numbers(ProgressColumn):
    """Bytes, rate and time left, by the words of the tables; nothing where nothing is counted."""

    def render(self, task: Task) -> RenderableType:
        if not task.completed:
            seconds = int(task.elapsed or 0)
            return Text(units.format_duration(seconds) if seconds else "")
        total = f" of {units.format_size(task.total)}" if task.total else ""
        rate = f"  {units.format_size(task.speed)}/s" if task.speed else ""
        left = task.time_remaining if task.total else None
        ends = f"  {units.format_duration(int(left))} left" if left is not None else ""
        return Text(f"{units.format_size(task.completed)}{total}{rate}{ends}")
