"""What a server can be recovered to, what of it was proven, and the gaps in its archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog.decisions import wal_copies
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_segments import WalGap, WalWindow
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.recover import source
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
    """The windows of a server, the oldest first, what is missing of its WAL, and what each copy reaches.

    ``storage`` is the nearest that could be read, ``passed_over`` has a sentence for each that could not.
    ``copy_proofs`` are those of copies, which prove nothing of the spans.
    """

    server: str
    storage: str
    spans: tuple[Span, ...]
    gaps: tuple[WalGap, ...]
    copies: tuple[WalCopyState, ...]
    last_drill: Proof | None = None
    copy_proofs: tuple[Proof, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def expired_proof(self) -> Proof | None:
        """The newest proof, where none of what is kept was drilled, because what it was of is gone."""
        return self.last_drill if all(span.drill is None for span in self.spans) else None


def read(workspace: Workspace, server: str) -> Recoverable:
    """Read it from the catalog and the nearest archive.

    Raises CatalogError, NotFound, StoreError, AttemptFailed.
    """
    used, found = source.archive(workspace, server)
    known = archive_reader.known(workspace, server, found)
    every = workspace.catalog.physical_proofs(server)
    proofs = [each for each in every if each.copy_in == used.storage]
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
        storage=used.place(workspace.wal_storage(server)),
        copies=tuple(each for each in _copies(workspace, server) if each.storage != used.storage),
        last_drill=newest_drill(proofs),
        copy_proofs=tuple(each for each in every if each.copy_in is not None),
        passed_over=used.passed_over,
    )


def _copies(workspace: Workspace, server: str) -> tuple[WalCopyState, ...]:
    """What is known of the WAL in each further storage; nothing where no copier ran yet."""
    paths = (
        workspace.state.wal_copy(storage, server) for storage in wal_copies.storages(workspace.config, server)
    )
    return tuple(said for path in paths if (said := workspace.said(WalCopyState, path)))


def furthest_drill(window: Window | WalWindow, proofs: Sequence[Proof]) -> Proof | None:
    """The drill that recovered to the latest moment of a window. Pure."""
    within = {
        (until, proof.id): proof for until, proof in _proven(proofs) if window.start <= until <= window.end
    }
    return within[max(within)] if within else None


def furthest_drill_of_copy(copy: WalCopyState, window: WalWindow, proofs: Sequence[Proof]) -> Proof | None:
    """The same for a window of a storage, of drills that read that alone. Pure."""
    return furthest_drill(window, [each for each in proofs if each.copy_in == copy.storage])


def newest_drill(proofs: Sequence[Proof]) -> Proof | None:
    """The newest drill that recovered to a moment, whatever is kept today. Pure."""
    return max((proof for _, proof in _proven(proofs)), key=lambda proof: proof.id, default=None)


def _proven(proofs: Sequence[Proof]) -> Iterator[tuple[datetime, Proof]]:
    for proof in proofs:
        is_recovery = proof.proof == "drill" and proof.backup_type == "physical"
        if is_recovery and proof.status is Status.SUCCEEDED and proof.proven_until is not None:
            yield proof.proven_until, proof


def newest_verified(window: Window, backups: Sequence[Backup]) -> Backup | None:
    """The newest backup of a window that was read back. Pure."""
    within = (
        each
        for each in backups
        if each.is_available
        and each.verified_at is not None
        and window.start <= each.recoverable_from <= window.end
    )
    return max(within, key=lambda backup: backup.id, default=None)
