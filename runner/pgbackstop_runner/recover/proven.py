"""What a server can be recovered to, with the gaps in its archive, and what of it was proven."""

from __future__ import annotations

from dataclasses import dataclass

from pgbackstop_catalog.records import Backup, Proof, Status
from pgbackstop_catalog.wal import WalGap
from pgbackstop_catalog.window import Window
from pgbackstop_runner.recover import archive
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Recoverable:
    """``drill`` is the newest that recovered to a moment, ``verified`` the newest backup read back."""

    server: str
    windows: tuple[Window, ...]
    gaps: tuple[WalGap, ...] = ()
    drill: Proof | None = None
    verified: Backup | None = None


def read(workspace: Workspace, server: str) -> Recoverable:
    """Read it from the catalog and the archive. Raises CatalogError, NotFound."""
    found = archive.read(workspace, server)
    known = archive.known(workspace, server, found)
    drills = (
        proof
        for proof in workspace.catalog.proofs()
        if proof.server == server
        and proof.backup_type == "physical"
        and proof.proof == "drill"
        and proof.status is Status.SUCCEEDED
        and proof.proven_until is not None
    )
    read_back = [each for each in known.backups if each.is_available and each.verified_at is not None]
    return Recoverable(
        server=server,
        windows=tuple(known.windows),
        gaps=found.state.gaps if found.state else (),
        drill=max(drills, key=lambda proof: (proof.proven_until, proof.id), default=None),
        verified=max(read_back, key=lambda backup: backup.id, default=None),
    )
