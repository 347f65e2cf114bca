"""Whether a storage is there: by the mark at its root, which the catalog knows.

An empty folder is the mount point of a disk that is not mounted as often as a new storage. So a storage
without its mark is *not there*: nothing is written to it, judged in it, or expired from it. A new one is
made by ``create``, never on the way.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.storage import FormerStorage, StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import absence, kept, open
from pgbackstop_runner.storage.protocol import ByteStore, StoreError
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_MEND = "If the right storage is mounted there, the mark is mended by"


NotThere = absence.NotThere


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


def require(workspace: Workspace, name: str) -> ByteStore:
    """The storage, opened. Raises NotThere where it is not there, NotFound for one that is not configured.

    A mark that the catalog has not seen is adopted. A storage from before there were marks is marked, if one
    of the catalog's kept backups is found in it.
    """
    store = _opened(workspace, name)
    mark, known = _mark(store, workspace, name), _known(workspace, name)
    if workspace.catalog.is_there() and workspace.catalog.create():
        log.logger().info("marked the catalog", catalog=workspace.catalog.location)
    if known is None and mark is not None and (other := _twin(workspace, name, mark)):
        raise absence.same(workspace.config, name, other)
    if known is None and (mark is not None or _is_from_before_marks(workspace, name, store)):
        _adopt(workspace, name, store)
        mark, known = _mark(store, workspace, name), _known(workspace, name)
    if mark is None:
        raise absence.missing(workspace.config, name)
    if known is not None and known.id != mark.id:
        raise absence.another(workspace.config, name, mark, known)
    return store


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

    One whose mark is gone or damaged gets it back, if it holds a backup that the catalog keeps in it.
    Raises NotThere where the catalog knows another one by that name, or keeps backups there, unless
    ``replace``; StoreError where it cannot be written.
    """
    store = _opened(workspace, name)
    with contextlib.suppress(NotThere):
        require(workspace, name)
        known = _known(workspace, name)
        assert known is not None  # noqa: S101 - required
        return known, False
    mark, known = _readable(_mark, store, workspace, name), _readable(_known, workspace, name)
    if mark is None and known is not None and not replace and kept.has_backup(workspace, name, store):
        store.put_bytes(codec.encode(known.evolve(former=())), layout.STORAGE_MARK)
        return known, False
    if not replace and mark is not None and known is not None:
        raise absence.another(workspace.config, name, mark, known)
    if mark is not None and (other := _twin(workspace, name, mark)):
        if not replace:
            raise absence.same(workspace.config, name, other)
        mark = None
    if mark is None and not replace and next(kept.places(workspace, name), None) is not None:
        raise NotThere(
            f"{absence.missing(workspace.config, name).problem} The catalog keeps backups in it, and finds "
            "none there.",
            remedy=f"Mount it. If it is lost: 'pgbackstop storage create {name} --replace'.",
        )
    made = mark or StorageMark.new(name, encrypted=store.encrypted_for is not None)
    if mark is None:
        store.put_bytes(codec.encode(made), layout.STORAGE_MARK)
    workspace.catalog.put(made.evolve(name=name, former=_former(known) if replace else ()))
    return made, mark is None


def _readable(read: Callable[..., StorageMark | None], *where: object) -> StorageMark | None:
    """What is read; None where it is damaged, too."""
    try:
        return read(*where)
    except absence.MarkDamaged:
        return None


def _former(known: StorageMark | None) -> tuple[FormerStorage, ...]:
    before = known.former if known else ()
    return (*before, FormerStorage(id=known.id if known else "", until=utc_now()))


def lost(workspace: Workspace, name: str, stored_at: datetime) -> str:
    """Where that is which was stored then, if another storage has the name since; empty where it has not."""
    known = _known(workspace, name)
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
        return _create(workspace)
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
    return _create(workspace)


def _create(workspace: Workspace) -> bool:
    made = workspace.catalog.create()
    workspace.state.create()
    return made


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
            raise absence.missing(workspace.config, name)
        if known is not None and known.id != mark.id:
            raise absence.another(workspace.config, name, mark, known)
    except errors.PgbackstopError as error:
        return dataclasses.replace(found, problem=str(error))
    return dataclasses.replace(found, id=mark.id)


def _opened(workspace: Workspace, name: str) -> ByteStore:
    return open.open_store(name, workspace.storage(name))


def _mark(store: ByteStore, workspace: Workspace, name: str) -> StorageMark | None:
    """The mark that stands there now.

    Raises MarkDamaged for one that is none, NotThere for one of a newer version, or of a storage that is
    encrypted where the configuration's is not, or the other way round, StoreError.
    """
    content = store.mark()
    if content is None:
        return None
    where = f"{workspace.config.storages[name].place}/{layout.STORAGE_MARK}"
    with _damage(name):
        mark = codec.decode(StorageMark, content, where=where)
    if (mark.encryption is not None) != (store.encrypted_for is not None):
        raise absence.mixed(name, mark)
    return mark


def _known(workspace: Workspace, name: str) -> StorageMark | None:
    """What the catalog knows by that name. Raises as _mark does, CatalogError where it cannot be read."""
    with _damage(name):
        return workspace.catalog.storage(name)


@contextlib.contextmanager
def _damage(name: str) -> Iterator[None]:
    """A mark that is damaged costs its own storage alone; so does one of a newer version."""
    try:
        yield
    except errors.NewerRecord as error:
        raise NotThere(error.problem, remedy=error.remedy) from error
    except errors.CatalogError as error:
        raise absence.MarkDamaged(
            error.problem, remedy=f"{_MEND} 'pgbackstop storage create {name}'."
        ) from error


def _twin(workspace: Workspace, name: str, mark: StorageMark) -> str | None:
    """The other storage of the configuration that the mark is known as; None where it is nobody else's."""
    for other in workspace.config.storages:
        known = _readable(_known, workspace, other) if other != name else None
        if known is not None and known.id == mark.id:
            return other
    return None


def _is_from_before_marks(workspace: Workspace, name: str, store: ByteStore) -> bool:
    """Whether it holds what is kept, and may have been made without a mark; an encrypted one has it."""
    return store.encrypted_for is None and kept.is_held(workspace, name, store)
