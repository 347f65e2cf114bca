"""Operations that somebody started in the console: the commands themselves, as children of the daemon.

They belong to the daemon and not to a browser: they go on when a tab closes or a session ends, and every
user sees them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner import failures
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.children import Child
from pgbackstop_runner.journal.restore import OPERATOR
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

Verb = Literal["backup", "verify", "drill", "restore", "undo", "drop", "recover"]
State = Literal["running", "ending", "succeeded", "incomplete", "failed", "cancelled"]
MOST_AT_ONCE: Final = 4
_BACKUP_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6,8}")
_MOST_KEPT: Final = 200
_CANNOT_START: Final = 126


@dataclass(kw_only=True)
class Operation:
    """One command that was started; ``exit_code`` is None while it runs, ``pid`` before it does.

    ``restore`` is the id of the restore that it undoes, or whose old database it drops.
    """

    id: str
    verb: Verb
    subject: str
    user: str
    started_at: datetime
    arguments: tuple[str, ...]
    restore: str = ""
    pid: int | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    cancelled_by: str = ""
    words: str = ""
    child: Child | None = field(default=None, repr=False)
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.finished_at is None

    @property
    def is_of_plan(self) -> bool:
        """Whether its subject is a plan, and not one backup."""
        return not _BACKUP_ID.fullmatch(self.subject)

    @property
    def state(self) -> State:
        """How it stands, in one word."""
        if self.is_running:
            return "ending" if self.cancelled_by else "running"
        if self.exit_code == 0:
            return "succeeded"
        if self.exit_code == errors.EntriesMissing.exit_code:
            return "incomplete"
        return "cancelled" if self.cancelled_by else "failed"

    @property
    def last_words(self) -> str:
        """The last lines that it wrote, so far."""
        return self.child.words() if self.child is not None else self.words

    @property
    def meaning(self) -> str:
        """What its exit code says, in the words of the reference."""
        meanings = dict(errors.EXIT_CODES)
        return meanings.get(self.exit_code, "") if self.exit_code is not None else ""


@dataclass
class Operations:
    """What was started since the daemon began, the newest first."""

    stop_timeout: float = 60.0
    _is_stopping: bool = False
    _known: list[Operation] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def all(self) -> tuple[Operation, ...]:
        """Those that run and those that ended, the newest first."""
        return tuple(self._known)

    def named(self, operation_id: str) -> Operation:
        """The one of that id. Raises NotFound."""
        for each in self._known:
            if each.id == operation_id:
                return each
        raise errors.NotFound(
            "There is no such operation since the daemon was started.",
            remedy="Its record is among the backups, and the audit says who started it.",
        )

    def check(self, verb: Verb, subject: str) -> None:
        """Raises Busy where the same runs already, or as many as may, or the daemon stops."""
        if self._is_stopping:
            raise errors.Busy("The daemon stops; nothing is started.", remedy="Try again once it is back.")
        running = [each for each in self._known if each.is_running]
        for each in running:
            if (each.verb, each.subject) == (verb, subject):
                raise errors.Busy(
                    f"{verb} of {subject} runs already, started by {each.user}.",
                    remedy="Watch that one under Activity, or cancel it there.",
                )
        if len(running) >= MOST_AT_ONCE:
            raise errors.Busy(
                f"{len(running)} operations of the console run already.",
                remedy="Wait until one has ended, or cancel one under Activity.",
            )

    def start(
        self,
        workspace: Workspace,
        verb: Verb,
        subject: str,
        user: str,
        arguments: tuple[str, ...],
        *,
        restore: str = "",
    ) -> Operation:
        """Start ``pgbackstop`` with these arguments. Raises Busy."""
        self.check(verb, subject)
        operation_id = secrets.token_hex(6)
        made = Operation(
            id=operation_id,
            verb=verb,
            subject=subject,
            user=user,
            started_at=utc_now(),
            arguments=_named(arguments, operation_id, user) if verb == "backup" else arguments,
            restore=restore,
        )
        self._known.insert(0, made)
        self._forget_oldest()
        task = asyncio.create_task(self._follow(workspace, made))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made

    def cancel(self, operation: Operation, user: str) -> None:
        """Ask it to end, as Ctrl-C would; one that has ended stays as it is."""
        if operation.is_running:
            operation.cancelled_by = user
            if operation.child is not None:
                operation.child.send(signal.SIGTERM)

    async def stop(self) -> None:
        """Start nothing more, and end what runs; each has its time to leave its record."""
        self._is_stopping = True
        running = [each.child for each in self._known if each.is_running and each.child is not None]
        await children.stop(running, seconds=self.stop_timeout)
        await asyncio.gather(*self._tasks)

    async def _follow(self, workspace: Workspace, operation: Operation) -> None:
        try:
            await self._run(workspace, operation)
        finally:
            operation.finished_at, operation.child = utc_now(), None
            operation.over.set()

    async def _run(self, workspace: Workspace, operation: Operation) -> None:
        bound = log.logger().bind(
            operation=operation.id, verb=operation.verb, subject=operation.subject, user=operation.user
        )
        try:
            child = await children.start(
                command(workspace, *operation.arguments),
                keep_words=True,
                output="words",
                env={OPERATOR: f"{operation.user} in the console", "PYTHONUNBUFFERED": "1"},
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in what somebody wrote
            operation.words = f"It cannot be started: {failures.as_error(error).problem}"
            operation.exit_code = _CANNOT_START
            bound.error("cannot be started", problem=operation.words)
            return
        operation.child, operation.pid = child, child.pid
        bound.info("started by the console", pid=child.pid)
        if operation.cancelled_by or self._is_stopping:  # while it was being started
            child.send(signal.SIGTERM)
        operation.exit_code = await child.wait()
        operation.words = child.words()
        bound.info("ended", pid=child.pid, exit_status=operation.exit_code)

    def _forget_oldest(self) -> None:
        ended = [each for each in self._known[_MOST_KEPT:] if not each.is_running]
        self._known = [each for each in self._known if each not in ended]


def command(workspace: Workspace, *arguments: str) -> list[str]:
    """The command line of ``pgbackstop`` with these arguments and our configuration."""
    return [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(workspace.file), *arguments]


def _named(arguments: tuple[str, ...], operation_id: str, user: str) -> tuple[str, ...]:
    """With who asks, and by which operation, for the records."""
    name, *rest = arguments
    return (name, f"--operator={user}", f"--operation={operation_id}", *rest)
