"""What a server can be recovered to, what of it was proven, and the gaps in its archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_copies
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_segments import WalGap
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup, Proof, Status
from pgbackstop_runner.wal import archive_reader
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Span:
    """A window, the drill that got furthest into it, and the newest of its backups that was read back."""

    window: Window
    drill: Proof | None
    verified: Backup | None


@dataclass(frozen=True, kw_only=True)
class Recoverable:
    """The windows of a server, the oldest first, what is missing of its WAL, and what each copy reaches."""

    server: str
    storage: str
    spans: tuple[Span, ...]
    gaps: tuple[WalGap, ...]
    copies: tuple[WalCopyState, ...]


def read(workspace: Workspace, server: str) -> Recoverable:
    """Read it from the catalog and the archive. Raises CatalogError, NotFound."""
    found = archive_reader.read(workspace, server)
    known = archive_reader.known(workspace, server, found)
    proofs = [each for each in workspace.catalog.proofs() if each.server == server]
    return Recoverable(
        server=server,
        spans=tuple(
            Span(
                window=window,
                drill=furthest_drill(window, proofs),
                verified=newest_verified(window, known.backups),
            )
            for window in known.windows
        ),
        gaps=found.state.gaps if found.state else (),
        storage=workspace.server(server).wal.storage or workspace.config.first_folder,
        copies=tuple(_copies(workspace, server)),
    )


def _copies(workspace: Workspace, server: str) -> Iterator[WalCopyState]:
    """What is known of the WAL in each further storage; nothing where no copier ran yet."""
    for storage in wal_copies.storages(workspace.config, server):
        try:
            yield codec.read(WalCopyState, workspace.state.wal_copy(storage, server))
        except FileNotFoundError:
            continue
        except errors.CatalogError as error:
            workspace.on_invalid_record(error)


def furthest_drill(window: Window, proofs: Sequence[Proof]) -> Proof | None:
    """The drill that recovered to the latest moment of a window. Pure."""
    within = {
        (proof.proven_until, proof.id): proof
        for proof in proofs
        if proof.proof == "drill"
        and proof.backup_type == "physical"
        and proof.status is Status.SUCCEEDED
        and proof.proven_until is not None
        and window.start <= proof.proven_until <= window.end
    }
    return within[max(within)] if within else None


def newest_verified(window: Window, backups: Sequence[Backup]) -> Backup | None:
    """The newest backup of a window that was read back. Pure."""
    within = (
        each
        for each in backups
        if each.is_available
        and each.verified_at is not None
        and each.finished_at is not None
        and window.start <= each.finished_at <= window.end
    )
    return max(within, key=lambda backup: backup.id, default=None)
