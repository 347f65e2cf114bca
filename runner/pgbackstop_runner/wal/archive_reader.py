"""A server's WAL archive as recovery sees it: what is there, what is needed, and whether it is whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import recovery, wal_segments
from pgbackstop_catalog.decisions import windows as decisions_windows
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.decisions.wal_segments import Entry, WalIdentity, WalState
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import wal_index
from pgbackstop_runner.storage import backup_files, identity
from pgbackstop_runner.storage import open as storages
from pgbackstop_runner.system import streams
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.wal import segment_file, segment_path, storage_archive, storage_download
from pgbackstop_runner.wal.storage_archive import StorageArchive
from pgbackstop_runner.workspace import Workspace

COPY_NAME = "pgbackstop_wal"
TOOLS = {".lz4": "lz4", ".zst": "zstd"}
_UNFINISHED = (wal_segments.RECEIVING_NAME, wal_segments.INCOMING_NAME, wal_segments.ASIDE_NAME)
_ATTEMPTS = 5


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
    identity.require(workspace, storage or workspace.wal_storage(server))
    folder = workspace.wal_archive(server) if storage is None else _mirror(workspace, storage, server)
    try:
        if storage is not None:
            return _read_copy(workspace, server, storage, folder)
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


def _read_copy(workspace: Workspace, server: str, storage: str, folder: Path) -> Archive:
    store = storages.open_store(storage, workspace.config.storages[storage])
    remote = storage_archive.fetch(store, server, folder)
    return Archive(
        folder=folder,
        identity=remote.identity,
        entries=remote.unlisted() | remote.entries,
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
    backups = [
        each
        for each in workspace.catalog.backups()
        if each.server == server and each.backup_type == "physical"
    ]
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


def needed(chosen: RecoveryPlan, archive: Archive) -> tuple[Entry, ...]:
    """The archived segments that the replay will read, in order, as far as that is known before."""
    return _way(chosen, archive).entries if archive.holds_wal_of(chosen.backup) else ()


def require_reach(chosen: RecoveryPlan, archive: Archive) -> None:
    """Raises ValidationError for a position that the archive does not reach; others the window has told."""
    if chosen.target.kind != "lsn":
        return
    position = wal_segments.parse_lsn(chosen.target.value)
    end = reached(chosen, archive)
    if position > end:
        raise errors.ValidationError(
            f"{chosen.target.value} is after the last WAL that can be replayed.",
            remedy=f"From backup {chosen.backup.id} it goes to {wal_segments.format_lsn(end)}.",
        )


def check(chosen: RecoveryPlan, archive: Archive) -> int:
    """Read every segment that is needed and compare its hash; returns their stored bytes.

    Raises CatalogError for one that is missing or damaged.
    """
    if archive.remote is not None:
        return storage_download.check(needed(chosen, archive), archive.remote, str(archive.storage))
    remedy = "Choose a target before it, or restore the file from a copy."
    total = 0
    for entry in needed(chosen, archive):
        path = archive.folder / entry.path
        try:
            stored = streams.digest(path, entry.path)
        except OSError as error:
            problem = f"WAL segment {entry.name} cannot be read: {path}: {error.strerror}."
            raise errors.CatalogError(problem, remedy=remedy) from error
        if stored.sha256 != entry.sha256:
            problem = f"WAL segment {entry.name} is damaged: {path} is not what was archived."
            raise errors.CatalogError(problem, remedy=remedy)
        total += stored.size_bytes
    return total


def require_tools(chosen: RecoveryPlan, archive: Archive) -> None:
    """Raises ValidationError where the tool that decompresses the archive is not in PATH."""
    names = [entry.path for entry in needed(chosen, archive)]
    names += [path.name for path in unfinished(archive.folder)]
    for suffix, tool in TOOLS.items():
        if any(suffix in name for name in names) and shutil.which(tool) is None:
            raise errors.ValidationError(
                f"{tool} is not installed, and the WAL archive is compressed with it.",
                remedy=f"Install {tool} on this host; nothing was touched.",
            )


def unfinished(folder: Path) -> Iterator[Path]:
    """Files of WAL that are not in their place yet: the newest segment, and completed ones that wait."""
    for name in _UNFINISHED:
        for path in sorted((folder / name).glob("[0-9A-F]*")):
            if wal_segments.SEGMENT_NAME.match(path.name) or wal_segments.HISTORY_NAME.fullmatch(path.name):
                yield path


def for_account(chosen: RecoveryPlan, archive: Archive, data: Path, who: Account) -> Path:
    """The folder that the recovered server reads WAL from: the archive, or a copy where it may not read it.

    Root makes backups that only root can read, and steps down for the server. Raises OSError.
    """
    if not archive.holds_wal_of(chosen.backup) or _is_readable(chosen, archive, who):
        return archive.folder
    target = data / COPY_NAME
    wanted = needed(chosen, archive)
    small = [archive.folder / wal_segments.IDENTITY_NAME, *archive.folder.glob("*.history")]
    if archive.remote is not None:
        size = archive.segment_bytes
        storage_download.download(wanted, archive.remote, target, storage=str(archive.storage), size=size)
    else:
        small += [archive.folder / entry.path for entry in wanted]
    for path in small:
        _copy(path, target / path.relative_to(archive.folder))
    # While the server lives its newest segment is completed and put into its place under our eyes.
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            _copy_unfinished(archive, target)
            break
    return target


def copied_bytes(chosen: RecoveryPlan, archive: Archive, who: Account) -> int:
    """Bytes that ``for_account`` will copy."""
    return (
        0 if _is_readable(chosen, archive, who) else sum(each.size_bytes for each in needed(chosen, archive))
    )


def _is_readable(chosen: RecoveryPlan, archive: Archive, who: Account) -> bool:
    if archive.remote is not None:
        return False
    last = [archive.folder / entry.path for entry in needed(chosen, archive)[-1:]]
    return not who.credentials or who.can_read(archive.folder / wal_segments.IDENTITY_NAME, *last)


def _copy_unfinished(archive: Archive, target: Path) -> None:
    before = dict(archive.entries)
    for path in unfinished(archive.folder):
        _copy(path, target / path.relative_to(archive.folder))
    for entry in wal_index.Index(archive.folder).refresh().values():
        if entry.name not in before:
            _copy(archive.folder / entry.path, target / entry.path)


def _copy(path: Path, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(path, place)


def least_lsn(chosen: RecoveryPlan, archive: Archive) -> int:
    """A position, in bytes, that the replay of all there is must get beyond.

    Less means that a file could not be read, which PostgreSQL cannot tell from the end of the WAL.
    """
    size = archive.segment_bytes
    # A position on a segment's border may be its end or the next one's header.
    return (reached(chosen, archive) - 1) // size * size if needed(chosen, archive) else 0


def _way(chosen: RecoveryPlan, archive: Archive) -> segment_path.SegmentPath:
    return segment_path.find(chosen, archive.entries, archive.switches, archive.segment_bytes)


def reached(chosen: RecoveryPlan, archive: Archive) -> int:
    """The position up to which there is WAL without a break: archived, or received since."""
    end = _way(chosen, archive).end
    state = archive.state
    if state is None or state.received_lsn is None or state.timeline != chosen.timeline:
        return end
    received = wal_segments.parse_lsn(state.received_lsn)
    return received if end < received <= end + archive.segment_bytes else end
