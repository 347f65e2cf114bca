"""What the receiver knows, kept as a WalState and written once a second or so."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic, listing
from pgbackstop_runner.system import origin
from pgbackstop_runner.workspace import Workspace

# Of hosts that share the archives: as long as a lease lasts.
_FRESH_SECONDS = 60.0


def read(path: Path) -> WalState | None:
    """The state that was written last; None where there is none that can be read."""
    try:
        return codec.read(WalState, path)
    except (OSError, errors.CatalogError):
        return None


def is_received(workspace: Workspace, server: str, state: WalState | None) -> bool:
    """Whether a receiver lives: on this host by its lock, on another one by what its worker told ours."""
    if workspace.state.is_held(f"wal-{server}"):
        return True
    if state is None or not workspace.config.workers.enabled or state.status == "stopped":
        return False
    return (utc_now() - state.updated_at).total_seconds() < _FRESH_SECONDS


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
            method=method, slot=slot, status="connecting", message="", started_at=now, **origin.here()
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
