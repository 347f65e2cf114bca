"""Operations end with the daemon, whenever they were started."""

import asyncio
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.console.operations import Operations
from tests.unit.runner import places


def test_one_that_is_being_started_ends_when_the_daemon_stops_and_no_more_are_started(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    opened.file.write_text("servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n")

    async def stopped() -> None:
        operations = Operations()
        # A daemon goes on until it is told to end.
        made = operations.start(opened, "drill", "shop", "otto", ("daemon",))
        assert made.pid is None
        await asyncio.wait_for(operations.stop(), 120)
        assert made.exit_code is not None
        assert not made.is_running
        with pytest.raises(errors.Busy, match="The daemon stops"):
            operations.check("verify", "anything")

    asyncio.run(stopped())
