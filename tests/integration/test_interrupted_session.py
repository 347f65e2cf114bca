"""A signal that interrupts a statement of ours ends it in the server too."""

import os
import signal
import threading
from types import FrameType
from typing import NoReturn

import pytest

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.errors import Interrupted
from pgbackstop_runner.postgres import sessions
from tests.support import backups
from tests.support.databases import Database

NAME = "never_made"


@pytest.mark.integration
def test_what_was_interrupted_is_not_done_afterwards(database: Database) -> None:
    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Interrupted("Ended.")

    def interrupt() -> None:
        backups.until(lambda: waiting(database), "the statement runs")
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, end)
    helper = threading.Thread(target=interrupt)
    try:
        with database.server.connect("postgres") as holder, holder.transaction():
            holder.execute("LOCK TABLE pg_database IN SHARE MODE")
            helper.start()
            with pytest.raises(Interrupted), sessions.connect(reached(database), "postgres") as connection:
                connection.execute(f"CREATE DATABASE {NAME}".encode())
            backups.until(lambda: not waiting(database), "the end of the statement, though the lock is held")
    finally:
        helper.join()
        signal.signal(signal.SIGUSR1, before)
    assert not database.server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{NAME}'")


def reached(database: Database) -> Server:
    return Server.model_validate(backups.reached(database.server))


def waiting(database: Database) -> bool:
    """Whether somebody makes that database."""
    return bool(
        database.server.execute(
            f"SELECT 1 FROM pg_stat_activity WHERE query = 'CREATE DATABASE {NAME}' AND state = 'active'"
        )
    )
