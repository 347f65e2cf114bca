"""A server's WAL archive as recovery sees it: what is there, and the windows that it makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import recovery, wal_segments
from pgbackstop_catalog.decisions import windows as decisions_windows
from pgbackstop_catalog.decisions.wal_segments import Entry, WalIdentity, WalState
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import wal_index
from pgbackstop_runner.storage import backup_files, identity
from pgbackstop_runner.storage.protocol import ByteStore
from pgbackstop_runner.wal import readings, segment_file, storage_archive
from pgbackstop_runner.wal.storage_archive import StorageArchive
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The folder, its index, what the receiver last said, and where timelines left each other.

    ``identity`` is None where nothing was archived yet. Of an archive in a further storage, ``remote``, the
    folder has all but the complete segments.
    """

    folder: Path
    identity: WalIdentity | None
    entries: Mapping[str, Entry]
    state: WalState | None
    switches: Mapping[int, wal_segments.Switch]
    storage: str | None = None
    remote: StorageArchive | None = None

    @property
    def segment_bytes(self) -> int:
        return self.identity.segment_bytes if self.identity else wal_segments.DEFAULT_SEGMENT_BYTES

    def holds_wal_of(self, backup: Backup) -> bool:
        """Whether it is the WAL of the backup's own system, and not of one created anew since."""
        theirs = backup.system_identifier
        return self.identity is not None and (not theirs or theirs == self.identity.system_identifier)


def read(workspace: Workspace, server: str, storage: str | None = None) -> Archive:
    """Read the archive's index, its histories and the receiver's state; of a copy where one is named.

    Raises CatalogError, NotFound, StoreError.
    """
    workspace.server(server)
    store = identity.require(workspace, storage or workspace.wal_storage(server))
    folder = workspace.wal_archive(server) if storage is None else _mirror(workspace, storage, server)
    try:
        if storage is not None:
            damaged = readings.damaged(workspace.state.wal_copy_readings(storage, server))
            return _read_copy(store, server, storage, folder, damaged)
        return Archive(
            folder=folder,
            identity=_identity(folder),
            entries=dict(wal_index.Index(folder).refresh()),
            state=workspace.said(WalState, workspace.state.wal(server)),
            switches=_switches(folder),
        )
    except OSError as error:
        raise errors.CatalogError(
            f"The WAL archive cannot be read: {error.filename or folder}: {error.strerror}.",
            remedy="Check its owner, mode and mount.",
        ) from error


def _mirror(workspace: Workspace, storage: str, server: str) -> Path:
    """Not the one of the copier, which may be at work."""
    return workspace.state.wal_copy_index(storage, f".{server}")


def _read_copy(
    store: ByteStore, server: str, storage: str, folder: Path, damaged: Collection[str]
) -> Archive:
    """What verify has found damaged is as good as missing."""
    remote = storage_archive.fetch(store, server, folder)
    return Archive(
        folder=folder,
        identity=remote.identity,
        entries={
            name: entry for name, entry in (remote.unlisted() | remote.entries).items() if name not in damaged
        },
        state=remote.state,
        switches=_switches(folder),
        storage=storage,
        remote=remote,
    )


def _identity(folder: Path) -> WalIdentity | None:
    """Whose WAL it is; None where nothing was archived yet. Raises CatalogError, OSError."""
    path = folder / wal_segments.IDENTITY_NAME
    if not path.exists():
        return None
    try:
        return codec.read(WalIdentity, path)
    except errors.NewerRecord:
        raise
    except errors.CatalogError as error:
        raise errors.CatalogError(
            f"The WAL archive cannot be read: {error.problem}",
            remedy="Move it away: the WAL receiver of the server writes it again.",
        ) from error


def _switches(folder: Path) -> dict[int, wal_segments.Switch]:
    histories = [path for path in folder.glob("*.history") if wal_segments.HISTORY_NAME.fullmatch(path.name)]
    found = {
        int(path.stem, 16): wal_segments.parse_history(segment_file.history_text(path)) for path in histories
    }
    return {timeline: switch for timeline, switch in found.items() if switch is not None}


def known(
    workspace: Workspace, server: str, archive: Archive, timeline: int | None = None
) -> recovery.RecoverySources:
    """What the server can be recovered from; with a timeline, only along the way that leads to it."""
    backups = workspace.catalog.physical_backups(server)
    if archive.storage is not None:
        backups = backup_files.in_storage(workspace.catalog, backups, archive.storage)
    switches = archive.switches
    if timeline is not None:
        path = recovery.lineage(timeline, switches)
        switches = {number: switch for number, switch in switches.items() if number in path}
    found = decisions_windows.windows(backups, archive.entries.values(), archive.state, switches)
    return recovery.RecoverySources(backups=backups, windows=found, switches=archive.switches)


def windows(workspace: Workspace, server: str, archive: Archive) -> tuple[Window, ...]:
    """The recovery windows of a server."""
    return tuple(known(workspace, server, archive).windows)
