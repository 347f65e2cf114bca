"""What WAL receivers know, between their host's state and the rows of the leases.

A host that has no receiver of a server keeps what the one that has it said: status, recoveries and metrics
are the same on every host, and a receiver that takes over goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.fleet.decisions import WalLease
from pgbackstop_runner.system import log
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import state as wal_state


def own(folder: StateFolder, servers: Iterable[str]) -> dict[str, str]:
    """What the receivers of this host have written; nothing of one that has not yet."""
    found = ((server, wal_state.read(folder.wal(server))) for server in servers)
    return {server: codec.encode(state).decode() for server, state in found if state is not None}


def keep(folder: StateFolder, leases: Iterable[WalLease]) -> None:
    """Write what other hosts said, where it is newer than what is here. Raises CatalogError, OSError."""
    for lease in leases:
        told, path = _told(lease), folder.wal(lease.server)
        ours = wal_state.read(path) if told else None
        if told is not None and (ours is None or ours.updated_at < told.updated_at):
            folder.make(path.parent)
            atomic.write(path, codec.encode(told), durable=False, shared=True)


def _told(lease: WalLease) -> WalState | None:
    """None where nothing was said, or by a version that says more than ours understands."""
    try:
        return codec.decode(WalState, lease.state.encode(), where="a lease") if lease.state else None
    except errors.CatalogError as error:
        log.logger().debug(
            "the state of a receiver is not understood", server=lease.server, problem=str(error)
        )
        return None
