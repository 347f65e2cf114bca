"""Whose WAL an archive holds: a file in it says which system's, and how long its segments are."""

from __future__ import annotations

from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import WalIdentity
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic


def read(root: Path) -> WalIdentity | None:
    """Whose WAL the archive holds; None for an archive that is not there. Raises CatalogError, OSError."""
    path = root / wal_segments.IDENTITY_NAME
    if not path.exists():
        return None
    return codec.read(WalIdentity, path)


def ensure(root: Path, system_identifier: str, segment_bytes: int) -> WalIdentity:
    """Whose WAL the archive holds; a new one is the server's. Raises ConfigError for another system's."""
    identity = read(root)
    if identity is None:
        atomic.make_folder(root)
        identity = WalIdentity(system_identifier=system_identifier, segment_bytes=segment_bytes)
        atomic.write(root / wal_segments.IDENTITY_NAME, codec.encode(identity))
    if identity.system_identifier != system_identifier:
        raise errors.ConfigError(
            f"The archive {root} holds WAL of system {identity.system_identifier}, "
            f"and the server is system {system_identifier}.",
            remedy="Move the archive away if the server was created anew, or give this server another name.",
        )
    return identity
