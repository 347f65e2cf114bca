"""Connections to SFTP servers: one for all threads and each storage; made again when lost.

asyncssh is asynchronous and storages are not: its loop has a thread of its own. A server that says nothing
for ``SILENCE`` is given up, whatever it was asked; while bytes flow nothing has a limit.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncssh
from asyncssh import SFTPClient, SFTPClientFile, SFTPName, SSHClientConnection

SILENCE = 60.0  # seconds
_CONNECT = 30.0  # seconds, for the connection and for the login
_KEEP_ALIVE = 15.0  # seconds; three without an answer end a connection
_GOODBYE = 5.0  # seconds

T = TypeVar("T")
P = ParamSpec("P")
Ask = Callable[Concatenate[SFTPClient, P], Awaitable[T]]

# What may not be found out from the account's own files, its agent, or the machine's settings: the
# configuration alone says who is spoken to, and as whom.
ALONE: dict[str, Any] = {
    "config": None,
    "agent_path": None,
    "x509_trusted_certs": None,
    "compression_algs": None,
    "keepalive_interval": _KEEP_ALIVE,
    "keepalive_count_max": 3,
    "connect_timeout": _CONNECT,
    "login_timeout": _CONNECT,
}


async def read(_client: SFTPClient, file: SFTPClientFile, length: int, start: int) -> bytes:
    """So many bytes of a file, fewer at its end; to be called."""
    content: bytes = await file.read(length, start)
    return content


async def write(_client: SFTPClient, file: SFTPClientFile, content: bytes, start: int) -> int:
    """Bytes that were written; to be called."""
    return await file.write(content, start)


async def sync(_client: SFTPClient, file: SFTPClientFile) -> None:
    """Make a file durable, where the server can; to be called."""
    with contextlib.suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()


async def end(_client: SFTPClient, file: SFTPClientFile) -> None:
    """Close a file; to be called."""
    await file.close()


class Silent(TimeoutError):
    """A server has said nothing for too long."""


@dataclass
class Session:
    """A connection to one server, made when it is first asked.

    ``swept`` is when each folder was last swept, by the monotonic clock. Calls raise asyncssh.Error, OSError,
    ValueError.
    """

    options: dict[str, Any] = field(repr=False)
    swept: dict[str, float] = field(default_factory=dict)
    _connection: SSHClientConnection | None = None
    _client: SFTPClient | None = None
    _heard: float = 0.0

    def __post_init__(self) -> None:
        self._connecting = asyncio.Lock()

    @property
    def is_connected(self) -> bool:
        return self._client is not None

    def call(self, ask: Ask[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the server answers."""
        answer = self.start(ask, *args, **kwargs)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()
            raise

    def start(self, ask: Ask[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The same, to be waited for later."""

        async def answer() -> T:
            return await self._while_heard(ask(await self._connected(), *args, **kwargs))

        return asyncio.run_coroutine_threadsafe(answer(), _LOOP.running())

    def clean_up(self, ask: Ask[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Ask for what does not matter much, such as a cleaning up after an error, and not for long."""
        answer = self.start(ask, *args, **kwargs)
        with contextlib.suppress(asyncssh.Error, OSError, ValueError):
            answer.result(timeout=_GOODBYE)
        answer.cancel()

    async def listed(self, client: SFTPClient, folder: str) -> list[SFTPName]:
        """Names in a folder, to be called: how long that takes depends on their number."""
        names: list[SFTPName] = []
        async for entry in client.scandir(folder):
            self._heard = asyncio.get_running_loop().time()
            if entry.filename not in {".", ".."}:
                names.append(entry)
        return names

    async def close(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.close()
            with contextlib.suppress(asyncssh.Error, OSError):
                await asyncio.wait_for(connection.wait_closed(), _GOODBYE)

    async def _connected(self) -> SFTPClient:
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> SFTPClient:
        self._give_up()
        self._connection = await asyncssh.connect(**ALONE, **self.options)
        try:
            client = await asyncio.wait_for(self._connection.start_sftp_client(), _CONNECT)
        except BaseException:
            self._give_up()
            raise
        task = asyncio.create_task(self._forget_when_closed(client))
        _LOOP.tasks.add(task)
        task.add_done_callback(_LOOP.tasks.discard)
        return client

    async def _forget_when_closed(self, client: SFTPClient) -> None:
        await client.wait_closed()
        if self._client is client:
            self._give_up()

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._client = None

    async def _while_heard(self, request: Awaitable[T]) -> T:
        """Wait as long as anything is answered. Raises Silent."""
        loop = asyncio.get_running_loop()
        asked, task = loop.time(), asyncio.ensure_future(request)
        try:
            while not task.done():
                left = max(asked, self._heard) + SILENCE - loop.time()
                if left <= 0:
                    self._give_up()
                    raise Silent(f"it has said nothing for {SILENCE:g} seconds")
                await asyncio.wait({task}, timeout=left)
        finally:
            task.cancel()
        self._heard = loop.time()
        return task.result()


class _Loop:
    """The thread of asyncssh, which begins with the first call and ends with the process."""

    def __init__(self) -> None:
        self.sessions: dict[object, Session] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._over = asyncio.Event()

    def session(self, key: object, options: dict[str, Any]) -> Session:
        with self._lock:
            found = self.sessions.setdefault(key, Session(options=options))
            found.options = options
            return found

    def running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                started: Future[asyncio.AbstractEventLoop] = Future()
                self._thread = threading.Thread(target=self._run, args=(started,), name="sftp", daemon=True)
                self._thread.start()
                self._loop = started.result()
                atexit.register(self.close)
            return self._loop

    def close(self) -> None:
        """End every connection, and the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    def _run(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        started.set_result(asyncio.get_running_loop())
        await self._over.wait()
        await asyncio.gather(*(each.close() for each in self.sessions.values()))


_LOOP = _Loop()
_OF_PARENTS: list[_Loop] = []


def session(key: object, options: dict[str, Any]) -> Session:
    """The connection of this process that has the key; it is made with asyncssh's ``options``."""
    return _LOOP.session(key, options)


def _begin_anew() -> None:
    """In a forked process, whose parent goes on with its connections: nothing of them is used or closed."""
    global _LOOP  # noqa: PLW0603 - as the process itself
    _OF_PARENTS.append(_LOOP)
    _LOOP = _Loop()


os.register_at_fork(after_in_child=_begin_anew)
