"""Calls that may hang, each in a daemon thread of its own.

An executor would share its few threads among all of them and wait for them at the end; a thread that is
stuck in a dead network file system must hold up neither.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def run(function: Callable[[], T], *, name: str) -> T:
    """The function's result, or its exception. Cancelling leaves the thread to itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = function()
        except Exception as error:
            _deliver(loop, future, partial(future.set_exception, error))
        else:
            _deliver(loop, future, partial(future.set_result, result))

    threading.Thread(target=work, name=name, daemon=True).start()
    return await future


def _deliver(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], action: Callable[[], None]) -> None:
    def settle() -> None:
        if not future.done():
            action()

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
