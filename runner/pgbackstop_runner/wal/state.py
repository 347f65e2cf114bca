"""What the receiver knows, kept as a WalState and written once a second or so."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic, listing


def read(path: Path) -> WalState | None:
    """The state that was written last; None where there is none that can be read."""
    try:
        return codec.read(WalState, path)
    except (OSError, errors.CatalogError):
        return None


class Progress:
    """The state of one receiver. Its counters go on where the process before left them."""

    def __init__(self, path: Path, server: str, method: Any, slot: str) -> None:
        self.path = path
        before = read(path)
        now = utc_now()
        fresh = WalState(
            server=server, method=method, slot=slot, status="connecting", started_at=now, updated_at=now
        )
        self.state = fresh if before is None else before
        self.update(
            method=method, slot=slot, status="connecting", message="", pid=os.getpid(), started_at=now
        )

    def update(self, **changes: Any) -> None:
        """Change fields of the state; it is not written yet."""
        self.state = self.state.evolve(updated_at=utc_now(), **changes)

    def fail(self, error: errors.PgbackstopError) -> None:
        """Say why nothing is received, and count it."""
        self.update(status="down", message=str(error), failures=self.state.failures + 1)

    def reached(self, moment: datetime | None) -> None:
        """Everything committed by ``moment`` is received. What was once received stays so."""
        before = self.state.recoverable_until
        if moment is not None and (before is None or moment > before):
            self.update(recoverable_until=moment)

    def write(self) -> None:
        """Replace the file, without waiting for the disk. Raises CatalogError, OSError."""
        listing.require_state(self.path.parents[2])  # of <catalog>/state/wal/<server>.json
        atomic.make_folder(self.path.parent)
        self.update()
        atomic.write(self.path, codec.encode(self.state), durable=False, shared=True)
