"""The ways in which an operation is killed; each ends what runs, or takes away what it needs."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable

import psutil

from tests.campaign.campaign import Campaign
from tests.support.backups import until
from tests.support.servers import ServerError

Way = Callable[[psutil.Process, Campaign, random.Random], None]


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _family(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def command(process: psutil.Process, _campaign: Campaign, _draw: random.Random) -> None:
    """SIGKILL to the command alone; what it started must die by itself."""
    _send(process, signal.SIGKILL)


def tree(process: psutil.Process, _campaign: Campaign, _draw: random.Random) -> None:
    """SIGKILL to the command and all that it started, as the kernel does where memory is short."""
    for each in (process, *_family(process)):
        _send(each, signal.SIGKILL)


def tool(process: psutil.Process, _campaign: Campaign, draw: random.Random) -> None:
    """SIGKILL to one of its tools; to the command where there is none just then."""
    _send(draw.choice(_family(process) or [process]), signal.SIGKILL)


def terminate(process: psutil.Process, _campaign: Campaign, _draw: random.Random) -> None:
    """SIGTERM, as a service manager does."""
    _send(process, signal.SIGTERM)


def interrupt(process: psutil.Process, _campaign: Campaign, _draw: random.Random) -> None:
    """SIGINT, as Ctrl-C does."""
    _send(process, signal.SIGINT)


def server(_process: psutil.Process, campaign: Campaign, _draw: random.Random) -> None:
    """An immediate shutdown of PostgreSQL; it is started again at once."""
    campaign.server.stop("immediate")
    for _ in range(5):
        with contextlib.suppress(ServerError):
            campaign.server.start()
            return


def disk(process: psutil.Process, campaign: Campaign, _draw: random.Random) -> None:
    """The disk of catalog and storages is full until the command has ended."""
    filler = campaign.folder / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.posix_fallocate(file.fileno(), file.tell(), 2**16)
            file.seek(2**16, os.SEEK_CUR)
    with contextlib.suppress(psutil.NoSuchProcess):
        until(lambda: process.status() == psutil.STATUS_ZOMBIE, "the end of the command")
    filler.unlink()


WAYS: dict[str, Way] = {each.__name__: each for each in (command, tree, tool, terminate, interrupt, server)}
# Only where the campaign is a file system of its own.
DISK: dict[str, Way] = {"disk": disk}
