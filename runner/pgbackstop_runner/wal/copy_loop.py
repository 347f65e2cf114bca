"""``pgbackstop wal copy``: one process for each server, with a thread for each storage that its WAL goes to.

A storage that is slow, or not there, holds up itself alone; it is tried again after growing pauses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_runner.system import log, pauses, stop_requests
from pgbackstop_runner.wal.storage_copy import WalCopier
from pgbackstop_runner.workspace import Workspace

TICK = 1.0  # seconds, as those below
STATE_INTERVAL = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass
class CopyLoop:
    """Runs until told to stop."""

    workspace: Workspace
    server: str
    storages: Iterable[str]
    stop: stop_requests.Stop = field(default_factory=stop_requests.Stop)

    def run(self) -> None:
        """Copy until told to stop; then end cleanly. Raises Busy where another process does."""
        with _alone(self.workspace, self.server):
            self._run()

    def _run(self) -> None:
        over = threading.Event()
        threads = [
            threading.Thread(target=_keep_copying, args=(WalCopier(self.workspace, self.server, each), over))
            for each in self.storages
        ]
        for thread in threads:
            thread.start()
        try:
            while not self.stop.wished and all(thread.is_alive() for thread in threads):
                time.sleep(TICK / 5)
        finally:
            over.set()
            for thread in threads:
                thread.join()


def once(workspace: Workspace, server: str, storages: Iterable[str]) -> tuple[WalCopyState, ...]:
    """One look at each storage; what goes wrong is in the state. Raises Busy where another process does."""
    with _alone(workspace, server):
        copiers = tuple(WalCopier(workspace, server, each) for each in storages)
        for copier in copiers:
            _look(copier)
            copier.write()
        return tuple(copier.state for copier in copiers)


def _alone(workspace: Workspace, server: str) -> AbstractContextManager[None]:
    return workspace.state.held(f"wal-copy-{server}", f"The copying of WAL of {server}")


def _look(copier: WalCopier) -> bool:
    try:
        copier.look()
    except (errors.PgbackstopError, OSError) as error:
        copier.fail(error)
        return False
    return True


def _keep_copying(copier: WalCopier, over: threading.Event) -> None:
    due, pause = stop_requests.Every(STATE_INTERVAL), FIRST_PAUSE
    while not over.is_set():
        before = copier.state
        good = _look(copier)
        if due() or before.status != copier.state.status or before.windows != copier.state.windows:
            _write(copier)
        pause = FIRST_PAUSE if good else min(pause * 2, LONGEST_PAUSE)
        over.wait(TICK if good else pauses.left_to_chance(pause))
    copier.stopped()
    _write(copier)


def _write(copier: WalCopier) -> None:
    try:
        copier.write()
    except OSError as error:
        log.logger().warning("the state cannot be written", server=copier.server, reason=error.strerror)
