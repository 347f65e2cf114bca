"""Operations that somebody started in the console: the commands themselves, as processes of their own.

They belong neither to a browser nor to this daemon: they go on when a tab closes, a session ends or the
daemon is started anew, and the next daemon finds them by their records. Every user sees them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.text import said
from pgbackstop_runner import failures
from pgbackstop_runner.console import command_line, operation_limits, operation_store
from pgbackstop_runner.console.operation import Operation, Verb
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.children import Tail
from pgbackstop_runner.journal.restore import OPERATOR
from pgbackstop_runner.system import exit_file, log, survivors
from pgbackstop_runner.system.processes import Identity
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.system.survivors import Survivor
from pgbackstop_runner.workspace import Workspace

_MOST_KEPT: Final = 200
_CANNOT_START: Final = 126


@dataclass(frozen=True, kw_only=True)
class _Running:
    """A process that is followed."""

    process: Survivor
    tail: Tail
    task: asyncio.Task[None]


@dataclass
class Operations:
    """What was started here, and by the daemons before, the oldest first; the last 200.

    ``outlive`` says whether what runs is left to the next daemon when this one stops.
    """

    stop_timeout: float = 60.0
    outlive: bool = False
    _is_stopping: bool = False
    _known: dict[str, Operation] = field(default_factory=dict)
    _running: dict[str, _Running] = field(default_factory=dict)
    _over: dict[str, asyncio.Event] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def all(self) -> tuple[Operation, ...]:
        """Those that run and those that ended, the newest first."""
        return tuple(reversed(self._known.values()))

    @property
    def is_stopping(self) -> bool:
        """Whether nothing is started any more."""
        return self._is_stopping

    def stand(self) -> tuple[object, ...]:
        """What is another value once one of them began, ended or wrote something."""
        running = {each: known.tail.words() for each, known in self._running.items()}
        return tuple((each.id, each.state, running.get(each.id)) for each in self._known.values())

    def named(self, operation_id: str) -> Operation:
        """The one of that id. Raises NotFound."""
        if operation_id in self._known:
            return self._known[operation_id]
        raise errors.NotFound(
            said("There is no such operation among the last {n}.", n=_MOST_KEPT),
            remedy=said("Its record is among the backups, and the audit says who started it."),
        )

    def words(self, operation: Operation) -> str:
        """The last lines that it wrote, so far."""
        running = self._running.get(operation.id)
        return running.tail.words() if running else operation.words

    async def ended(self, operation: Operation) -> Operation:
        """The same at its end, or still running where the daemon stops before that."""
        if operation.id in self._over:
            await self._over[operation.id].wait()
        return self._known.get(operation.id, operation)

    def check(self, verb: Verb, subject: str) -> None:
        """Raises Busy where the same runs already, or as many as may, or the daemon stops."""
        operation_limits.check(self._known.values(), verb, subject, is_stopping=self._is_stopping)

    async def adopt(self, folder: StateFolder) -> None:
        """Know what the daemons before have started; what still runs is followed from here on."""
        for each in await asyncio.to_thread(operation_store.every, folder):
            self._known[each.id] = each
            if each.is_running:
                await self._adopt(folder, each)
        await self._forget_oldest(folder)

    async def start(
        self,
        workspace: Workspace,
        verb: Verb,
        subject: str,
        user: str,
        arguments: tuple[str, ...],
        *,
        restore: str = "",
    ) -> Operation:
        """Start ``pgbackstop`` with these arguments. Raises Busy, CatalogError if it cannot be on record."""
        self.check(verb, subject)
        folder = workspace.state
        made = Operation(
            id=secrets.token_hex(6),
            verb=verb,
            subject=subject,
            user=user,
            started_at=utc_now(),
            restore=restore,
        )
        self._known[made.id] = made  # nobody starts the same while it is put on record
        try:
            await asyncio.to_thread(operation_store.write, folder, made)
            if self._is_stopping:
                self.check(verb, subject)
        except BaseException:
            del self._known[made.id]
            operation_store.remove(folder, made.id)
            raise
        await self._launch(workspace, made, arguments)
        await self._forget_oldest(folder)
        return self._known[made.id]

    async def cancel(self, folder: StateFolder, operation: Operation, user: str) -> None:
        """Ask it to end, as Ctrl-C would; one that has ended stays as it is."""
        running = self._running.get(operation.id)
        if running is not None:
            running.process.send(signal.SIGTERM)
            await self._change(folder, operation.id, cancelled_by=user)

    async def stop(self) -> None:
        """Start nothing more. What runs is left to the next daemon, or ended in time to leave its record."""
        self._is_stopping = True
        going = list(self._running.values())
        if self.outlive:
            for operation_id, each in self._running.items():
                each.task.cancel()
                log.logger().info(
                    "goes on without the daemon", operation=operation_id, pid=each.process.identity.pid
                )
        else:
            await _end(going, self.stop_timeout)
        await asyncio.gather(*(each.task for each in going), return_exceptions=True)
        for over in self._over.values():
            over.set()

    async def _launch(self, workspace: Workspace, made: Operation, arguments: tuple[str, ...]) -> None:
        bound = log.logger().bind(operation=made.id, verb=made.verb, subject=made.subject, user=made.user)
        folder = workspace.state
        argv = command_line.of_operation(workspace, made, arguments)
        env = {
            OPERATOR: f"{made.user} in the console",
            exit_file.VARIABLE: str(operation_store.exit_path(folder, made.id)),
            "PYTHONUNBUFFERED": "1",
        }
        tail = None
        try:
            tail = Tail(log=operation_store.open_log(folder, made.id), out=sys.stderr.buffer)
            process = survivors.start(argv, log=tail.log, env=env)
        except (OSError, ValueError) as error:  # ValueError: a NUL in what somebody wrote
            if tail is not None:
                tail.close()
            words = f"It cannot be started: {failures.as_error(error).problem}"
            bound.error("cannot be started", problem=words)
            await self._close(folder, made.id, utc_now(), _CANNOT_START, words)
            return
        bound.info("started by the console", pid=process.identity.pid)
        self._follow(folder, made.id, process, tail)
        who = process.identity
        await self._change(folder, made.id, pid=who.pid, process_started=who.started, boot=survivors.boot())

    async def _adopt(self, folder: StateFolder, found: Operation) -> None:
        tail = _resumed(folder, found.id)
        identity = Identity(pid=found.pid or 0, started=found.process_started)
        process = Survivor(identity=identity)
        if found.boot == survivors.boot() and not process.has_ended():
            log.logger().info("found running", operation=found.id, pid=found.pid, verb=found.verb)
            self._follow(folder, found.id, process, tail)
            return
        words = tail.words()
        tail.close()
        ended_at, code = await asyncio.to_thread(_left_by, folder, found.id)
        log.logger().info("ended while no daemon ran", operation=found.id, exit_status=code)
        await self._close(folder, found.id, max(ended_at, found.started_at), code, words)

    def _follow(self, folder: StateFolder, operation_id: str, process: Survivor, tail: Tail) -> None:
        self._over[operation_id] = asyncio.Event()
        task = asyncio.create_task(self._to_its_end(folder, operation_id, process, tail))
        self._running[operation_id] = _Running(process=process, tail=tail, task=task)

    async def _to_its_end(
        self, folder: StateFolder, operation_id: str, process: Survivor, tail: Tail
    ) -> None:
        try:
            while not process.has_ended():
                tail.pass_on()
                await asyncio.sleep(children.PACE)
            tail.pass_on()
            code = process.exit_status
            if code is None:
                code = await asyncio.to_thread(operation_store.exit_code, folder, operation_id)
            await self._close(folder, operation_id, utc_now(), code, tail.words())
        finally:
            del self._running[operation_id]
            tail.close()
            self._over.pop(operation_id).set()

    async def _close(
        self, folder: StateFolder, operation_id: str, at: datetime, code: int | None, words: str
    ) -> None:
        log.logger().info("ended", operation=operation_id, exit_status=code)
        await self._change(folder, operation_id, finished_at=at, exit_code=code, words=words)

    async def _change(self, folder: StateFolder, operation_id: str, **changes: Any) -> None:
        """It runs or has ended already, so that what cannot be written is told, and no more."""
        self._known[operation_id] = self._known[operation_id].evolve(**changes)
        async with self._turn:
            try:  # as it is by then: its end may have come meanwhile
                await asyncio.to_thread(operation_store.write, folder, self._known[operation_id])
            except errors.CatalogError as error:
                log.logger().error(
                    "the operation is not on record", operation=operation_id, problem=str(error)
                )

    async def _forget_oldest(self, folder: StateFolder) -> None:
        ended = [each.id for each in self._known.values() if not each.is_running]
        for each in ended[: max(0, len(self._known) - _MOST_KEPT)]:
            del self._known[each]
            await asyncio.to_thread(operation_store.remove, folder, each)


async def _end(going: list[_Running], seconds: float) -> None:
    for each in going:
        each.process.send(signal.SIGTERM)
    if going:
        await asyncio.wait([each.task for each in going], timeout=seconds)
    for each in going:
        each.process.send(signal.SIGKILL)


def _resumed(folder: StateFolder, operation_id: str) -> Tail:
    """What it writes, from here on; nothing where its file cannot be read."""
    try:
        descriptor = operation_store.open_log(folder, operation_id)
    except OSError as error:
        log.logger().warning("what it wrote cannot be read", operation=operation_id, problem=error.strerror)
        descriptor = os.memfd_create("log", os.MFD_CLOEXEC)
    return Tail.resume(descriptor, sys.stderr.buffer)


def _left_by(folder: StateFolder, operation_id: str) -> tuple[datetime, int | None]:
    return operation_store.last_sign(folder, operation_id), operation_store.exit_code(folder, operation_id)


def outlives(setting: bool | None, *, pid: int, parent: int) -> bool:
    """Whether operations are left running when the daemon stops. Pure.

    Where nothing is set they are, unless process 1 started us or is us: a service manager kills whatever is
    left of its service, and a container ends with its first process. So they are ended in time, and tidy up.
    A parent 0 is outside of our processes' namespace: we are the first of a container of several, as where
    the containers of a pod share theirs.
    """
    return not {pid, parent} & {0, 1} if setting is None else setting
