"""Restore the catalog from a storage alone: from the ``backup.json`` that stands beside each backup.

What a storage says is from outside: each record must lie where its own words put it, and no name becomes
a path unchecked. A record of the catalog is never replaced by an older one. What is no backup is
reported, left where it is, and the rest goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.storage import identity
from pgbackstop_runner.storage.protocol import ByteStore
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_KINDS = ("backups/logical", "backups/physical")
_LARGEST_RECORD = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class RebuildResult:
    """What a storage held: the records that were written, how many were there, and what is none."""

    storage: str
    restored: tuple[Backup | Copy, ...]
    known: int
    garbage: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A backup as the storage has it."""

    record: Backup
    mark: PurePosixPath


def run(workspace: Workspace, storage: str) -> RebuildResult:
    """Rebuild from one storage. Raises NotFound, Busy, CatalogError, and StoreError where it cannot be read.

    From a storage of copies, a backup whose own record is lost comes back as a record of where it was,
    with the copy beside it.
    """
    workspace.storage(storage)
    with workspace.state.held("rebuild", "A rebuild of the catalog"):
        workspace.catalog.check_writable()
        return _run(workspace, storage, identity.require(workspace, storage))


def _run(workspace: Workspace, storage: str, store: ByteStore) -> RebuildResult:
    restored: list[Backup | Copy] = []
    garbage: list[str] = []
    known = 0
    folders = _folders(store)
    for folder, sizes in folders.items():
        found = _read(store, folder, sizes)
        if isinstance(found, str):
            garbage.append(found)
            continue
        written = _restore(workspace, storage, found)
        restored += written
        known += not written
        garbage += _differences(store, found, sizes)
    return RebuildResult(storage=storage, restored=tuple(restored), known=known, garbage=tuple(garbage))


def _folders(store: ByteStore) -> dict[PurePosixPath, dict[str, int]]:
    """The folder of each backup, and the files in it with their sizes, in the order of their names."""
    folders: dict[PurePosixPath, dict[str, int]] = defaultdict(dict)
    for kind in _KINDS:
        depth = 3 + (kind == "backups/logical") + 1
        for path, size in store.files(kind):
            parts = PurePosixPath(path).parts
            folder = PurePosixPath(*parts[: min(depth, len(parts) - 1)])
            folders[folder][PurePosixPath(path).relative_to(folder).as_posix()] = size
    return dict(sorted(folders.items()))


def _read(store: ByteStore, folder: PurePosixPath, sizes: dict[str, int]) -> _Found | str:
    """The backup in a folder, or why it is none."""
    mark = folder / layout.RECORD_NAME
    if layout.RECORD_NAME not in sizes:
        return f"{folder} has no {layout.RECORD_NAME}: it was never finished, or is none of ours"
    if sizes[layout.RECORD_NAME] > _LARGEST_RECORD:
        return f"{mark} is too large to be a record"
    try:
        record = codec.decode(Backup, store.read(str(mark)), where=str(mark))
    except errors.PgbackstopError as error:
        return str(error)
    return _misplaced(record, folder) or _Found(record=record, mark=mark)


def _misplaced(record: Backup, folder: PurePosixPath) -> str:
    """Why a record cannot be believed where it lies; nothing where it can."""
    own = layout.backup_folder(
        backup_type=record.backup_type, server=record.server, database=record.database, backup_id=record.id
    )
    if record.status is not Status.SUCCEEDED:
        return f"{folder} holds the record of a backup that is {record.status.value}"
    if own != folder or record.location != str(folder):
        return f"{folder} holds the record of another backup ({record.id}, which belongs in {own})"
    return ""


def _restore(workspace: Workspace, storage: str, found: _Found) -> list[Backup | Copy]:
    """Write what the catalog lacks of a backup; nothing where it has it."""
    written: list[Backup | Copy] = []
    record = found.record.evolve(encryption=None)  # which is the copy's, and not the backup's
    known = _known(workspace.catalog, record)
    if known is None:
        workspace.catalog.put(record)
        written.append(record)
    else:
        record = record.evolve(plan=known)
    if storage != record.storage:
        encryption = found.record.encryption
        digests = encryption is not None and bool(encryption.stored_sha256)
        copy = _copy(record, storage).evolve(has_stored_digests=digests)
        if not workspace.catalog.has(copy):
            workspace.catalog.put(copy)
            written.append(copy)
    for each in written:
        log.logger().info("restored to the catalog", plan=each.plan, backup=record.id, kind=each.kind)
    return written


def _known(catalog: Catalog, record: Backup) -> str | None:
    """The plan whose record the catalog has of it: another one where it was given to that since."""
    if catalog.has(record):
        return record.plan
    try:
        return catalog.backup(record.id).plan
    except errors.NewerRecord:
        raise
    except (errors.CatalogError, errors.NotFound):
        return None


def _copy(record: Backup, storage: str) -> Copy:
    return Copy.of(record, storage, started_at=record.started_at).evolve(
        status=Status.SUCCEEDED,
        finished_at=record.finished_at or utc_now(),
        size_bytes=record.size_bytes,
        message="found by a rebuild of the catalog",
    )


def _differences(store: ByteStore, found: _Found, sizes: dict[str, int]) -> Iterator[str]:
    """Files that are not there, or are of another size than the record says; or a list that is damaged."""
    folder = found.mark.parent
    try:
        files = file_list.files(
            found.record,
            lambda: store.read(str(folder / name)) if (name := layout.CHECKSUMS_NAME) in sizes else None,
            sizes.get,
        )
    except errors.PgbackstopError as error:
        yield f"{folder}: {error.problem.removesuffix('.')}"
        return
    for name, wanted in found.record.sizes_of_copy(files).items():
        size = sizes.get(name)
        if size is None:
            yield f"{folder / name} is missing"
        elif size != wanted:
            yield f"{folder / name} has {size} bytes; its record says {wanted}"
