"""Whether a storage is there: by the mark at its root, which the catalog knows.

An empty folder is the mount point of a disk that is not mounted as often as a new storage. So a storage
without its mark is *not there*: nothing is written to it, judged in it, or expired from it. A new one is
made by ``create``, never on the way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.storage import FormerStorage, StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import open
from pgbackstop_runner.storage.protocol import ByteStore, StoreError
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_LOOKED_FOR = 20  # kept backups, in a storage without a mark


class NotThere(errors.CatalogError):
    """A storage is not mounted, not the one that the catalog knows, or not made yet."""


@dataclass(frozen=True, kw_only=True)
class StorageStatus:
    """A storage as it was found; ``problem`` says why it is not there."""

    name: str
    kind: str
    place: str
    id: str = ""
    problem: str = ""

    @property
    def is_there(self) -> bool:
        return not self.problem


def require(workspace: Workspace, name: str) -> None:
    """Raises NotThere where the storage is not there, NotFound for one that is not configured.

    A mark that the catalog has not seen is adopted. A storage from before there were marks is marked, if one
    of the catalog's kept backups is found in it.
    """
    store = _opened(workspace, name)
    mark, known = _mark(store, workspace, name), workspace.catalog.storage(name)
    if workspace.catalog.is_there() and workspace.catalog.create():
        log.logger().info("marked the catalog", catalog=workspace.catalog.location)
    if known is None and (mark is not None or _is_from_before_marks(workspace, name, store)):
        _adopt(workspace, name, store)
        mark, known = _mark(store, workspace, name), workspace.catalog.storage(name)
    if mark is None:
        raise _missing(workspace, name)
    if known is not None and known.id != mark.id:
        raise _another(workspace, name, mark, known)


def _adopt(workspace: Workspace, name: str, store: ByteStore) -> None:
    """Let the catalog know the storage, which is marked if it is not yet; one process after the other."""
    with workspace.state.turn(f"storage-{name}"):
        if workspace.catalog.storage(name) is not None:
            return
        mark = _mark(store, workspace, name)
        if mark is None:
            mark = StorageMark.new(name)
            store.put_bytes(codec.encode(mark), layout.STORAGE_MARK)
            log.logger().info("marked the storage", storage=name, id=mark.id)
        workspace.catalog.put(mark.evolve(name=name))
        log.logger().info("adopted the storage", storage=name, id=mark.id)


def problem(workspace: Workspace, name: str) -> str:
    """Why the storage is not there, or cannot be asked, as where a file of its keys cannot be read.

    Empty where it is. Raises NotFound, CatalogError.
    """
    try:
        require(workspace, name)
    except (NotThere, StoreError, errors.ConfigError) as error:
        return str(error)
    return ""


def absent(workspace: Workspace, names: Iterable[str | None]) -> dict[str, str]:
    """Why each of these is not there, by name; those that are there, or not configured, are left out."""
    wanted = sorted({name for name in names if name in workspace.config.storages})
    found = {name: problem(workspace, name) for name in wanted}
    return {name: text for name, text in found.items() if text}


def create(workspace: Workspace, name: str, *, replace: bool = False) -> tuple[StorageMark, bool]:
    """Make a storage, or find that it is one already; its mark, and whether it was made.

    Raises NotThere where the catalog knows another one by that name, or keeps backups there, unless
    ``replace``; StoreError where it cannot be written.
    """
    store = _opened(workspace, name)
    with contextlib.suppress(NotThere):
        require(workspace, name)
        known = workspace.catalog.storage(name)
        assert known is not None  # noqa: S101 - required
        return known, False
    mark, known = _mark(store, workspace, name), workspace.catalog.storage(name)
    if not replace and mark is not None and known is not None:
        raise _another(workspace, name, mark, known)
    if not replace and next(_kept(workspace, name), None) is not None:
        raise NotThere(
            f"{_missing(workspace, name).problem} The catalog keeps backups in it.",
            remedy=f"Mount it. If it is lost: 'pgbackstop storage create {name} --replace'.",
        )
    made = mark or StorageMark.new(name, encrypted=store.encrypted_for is not None)
    if mark is None:
        store.put_bytes(codec.encode(made), layout.STORAGE_MARK)
    workspace.catalog.put(made.evolve(name=name, former=_former(known) if replace else ()))
    return made, mark is None


def _former(known: StorageMark | None) -> tuple[FormerStorage, ...]:
    before = known.former if known else ()
    return (*before, FormerStorage(id=known.id if known else "", until=utc_now()))


def lost(workspace: Workspace, name: str, stored_at: datetime) -> str:
    """Where that is which was stored then, if another storage has the name since; empty where it has not."""
    known = workspace.catalog.storage(name)
    had = known.replaced_at(stored_at) if known else None
    if had is None:
        return ""
    return (
        f"away with the storage {had.id or name}, which another one has replaced on {format_time(had.until)}"
    )


def create_catalog(workspace: Workspace, *, replace: bool = False) -> bool:
    """Begin the catalog where there is none; whether it was begun.

    Raises NotThere where a storage is in use already, unless ``replace``: its catalog is somewhere else, on a
    disk that is not mounted, or lost.
    """
    if workspace.catalog.is_there() or replace:
        return workspace.catalog.create()
    for name in workspace.config.storages:
        with contextlib.suppress(StoreError):
            mark = _mark(_opened(workspace, name), workspace, name)
            if mark is not None:
                raise NotThere(
                    f"The catalog is not there: {workspace.catalog.location}. Storage {name} ({mark.id}) is "
                    "in use already, so there was one.",
                    remedy="Mount it. If it is lost: 'pgbackstop storage create --replace', "
                    "then 'pgbackstop catalog rebuild'.",
                )
    return workspace.catalog.create()


def create_all(workspace: Workspace, *, replace: bool = False) -> None:
    """Make the catalog and every folder of the configuration that is not there yet. Raises as the two do.

    ``replace`` is for the catalog alone.
    """
    create_catalog(workspace, replace=replace)
    for name, storage in workspace.config.storages.items():
        if isinstance(storage, FolderStorage):
            create(workspace, name)


def look(workspace: Workspace, name: str) -> StorageStatus:
    """A storage as it is; nothing is adopted or marked."""
    storage = workspace.storage(name)
    found = StorageStatus(name=name, kind=storage.kind, place=storage.place)
    try:
        mark, known = _mark(_opened(workspace, name), workspace, name), workspace.catalog.storage(name)
        if mark is None:
            raise _missing(workspace, name)
        if known is not None and known.id != mark.id:
            raise _another(workspace, name, mark, known)
    except errors.PgbackstopError as error:
        return dataclasses.replace(found, problem=str(error))
    return dataclasses.replace(found, id=mark.id)


def _opened(workspace: Workspace, name: str) -> ByteStore:
    return open.open_store(name, workspace.storage(name))


def _mark(store: ByteStore, workspace: Workspace, name: str) -> StorageMark | None:
    """The mark that stands there now.

    Raises NotThere for that of a storage that is encrypted where the configuration's is not, or the other way
    round, CatalogError for one that is none, StoreError.
    """
    content = store.mark()
    if content is None:
        return None
    where = f"{workspace.config.storages[name].place}/{layout.STORAGE_MARK}"
    mark = codec.decode(StorageMark, content, where=where)
    if (mark.encryption is not None) != (store.encrypted_for is not None):
        raise _mixed(name, mark)
    return mark


def _mixed(name: str, mark: StorageMark) -> NotThere:
    if mark.encryption is not None:
        return NotThere(
            f"The storage {name} is encrypted ({mark.encryption}), and the configuration does not say how.",
            remedy=f"Add storages.{name}.encryption.",
        )
    return NotThere(
        f"The storage {name} is not encrypted, and the configuration says that it is; nothing was touched.",
        remedy="Let encrypted copies go to another folder or prefix, as a storage with another name.",
    )


def _missing(workspace: Workspace, name: str) -> NotThere:
    place = workspace.config.storages[name].place
    return NotThere(
        f"The storage {name} is not there: {place} holds no {layout.STORAGE_MARK}.",
        remedy=f"Mount it; or, if it is a new one, run 'pgbackstop storage create {name}'.",
    )


def _another(workspace: Workspace, name: str, mark: StorageMark, known: StorageMark) -> NotThere:
    place = workspace.config.storages[name].place
    return NotThere(
        f"{place} is not the storage {name}: it is {mark.id}, and the catalog knows {known.id}.",
        remedy=f"Mount the right one; or, if this one takes its place, run 'pgbackstop storage create {name} "
        "--replace'.",
    )


def _kept(workspace: Workspace, name: str) -> Iterator[str]:
    """Where backups lie that the catalog keeps in the storage: originals and copies, the newest first."""
    known = {each.id: each for each in workspace.catalog.backups()}
    for backup in known.values():
        if backup.storage == name and backup.is_available and backup.location:
            yield backup.location
    for copy in workspace.catalog.copies():
        backup_of = known.get(copy.backup)
        kept = copy.status is Status.SUCCEEDED and copy.expired_at is None
        if copy.storage == name and kept and backup_of is not None and backup_of.location:
            yield backup_of.location


def _is_from_before_marks(workspace: Workspace, name: str, store: ByteStore) -> bool:
    """Whether it holds what is kept, and may have been made without a mark; an encrypted one has it."""
    return store.encrypted_for is None and _holds_what_is_kept(workspace, name, store)


def _holds_what_is_kept(workspace: Workspace, name: str, store: ByteStore) -> bool:
    """Whether a kept backup's commit mark is found in it, or the WAL archive of a server."""
    kept = itertools.islice(_kept(workspace, name), _LOOKED_FOR)
    archives = (
        f"{layout.wal_folder(server)}/{wal_segments.IDENTITY_NAME}"
        for server, configured in workspace.config.servers.items()
        if (configured.wal.storage or workspace.config.first_folder) == name
    )
    marks = (f"{location}/{layout.RECORD_NAME}" for location in kept)
    return any(_has(store, path) for path in itertools.chain(marks, archives))


def _has(store: ByteStore, path: str) -> bool:
    try:
        store.read(path)
    except StoreError:
        return False
    return True
