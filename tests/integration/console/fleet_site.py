"""The console of a fleet, without a daemon: that would start what is to be late."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pgbackstop_runner.console import server
from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.console.operations import Operations
from tests.integration.console.conftest import DEADLINE
from tests.integration.console.fleet import Fleet
from tests.integration.console.fleet_configuration import MINUTE


def operations(fleet: Fleet) -> Operations:
    """One that runs, and one of each end."""

    def one(number: int, verb: Any, subject: str, user: str, **changes: Any) -> Operation:
        started = fleet.now - number * 37 * MINUTE
        ended = {"finished_at": started + 2 * MINUTE, **changes}
        return Operation(
            id=f"{number:08x}",
            verb=verb,
            subject=subject,
            user=user,
            started_at=started,
            **ended,
        )

    words = "checking … dumping магазин, متجر الكتب and <b>sale</b>\n"
    known = (
        one(4, "restore", "shop/shop_at_20261126", "ada", exit_code=None, words="restoring data\n"),
        one(3, "drill", "shop-physical", "otto", exit_code=130, cancelled_by="ada"),
        one(2, "backup", "crm-logical", "otto", exit_code=1, words="pg_dump: error: permission denied\n"),
        one(1, "verify", fleet.newest("shop-logical", "shop").id, "ada", exit_code=0, words="right\n"),
        one(0, "backup", "shop-logical", "otto", finished_at=None, words=words),
    )
    return Operations(_known={each.id: each for each in known})


@contextmanager
def served(fleet: Fleet, known: Operations) -> Iterator[None]:
    """Its console, in a thread with a loop of its own."""
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server.served(lambda: fleet.opened, known):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(DEADLINE)
        with fleet.opened.state.held("wal-shop", "The WAL receiver"):
            yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(DEADLINE)
        loop.close()
