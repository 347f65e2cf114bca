"""The embedded catalog: a folder of small JSON records, one file per attempt.

    backups/<plan>/<id>.json                 attempts
    copies/<plan>/<id>@<storage>.json        copies in further storages
    proofs/<plan>/<id>.json                  proofs
    restores/<server>/<id>.json              restores
    tallies/<plan>.json                      what removed records had counted
    storages/<name>.json                     the storages that it knows
    catalog.json                             its own mark: without it the catalog is not there
    state/scheduler.json, state/wal/<server>.json, outbox/    written by the daemon, the receivers, notify
    locks/                                   flock files of the runner

A person can read, jq, rsync and repair it; the exporter mounts it read-only. A file that is no record
is reported and passed over, never removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec, ids
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store import atomic, listing
from pgbackstop_catalog.store.decoded import DecodedRecords
from pgbackstop_catalog.store.physical_index import HeldIndex, PhysicalIndex
from pgbackstop_catalog.store.protocol import AnyRecord

SUFFIX = listing.SUFFIX
unreadable = listing.unreadable
R = TypeVar("R", Backup, Copy, Proof, Restore)
One = TypeVar("One", Backup, Proof, Totals)
Physical = TypeVar("Physical", Backup, Proof)


@dataclass
class FolderCatalog:
    """A Catalog in a folder; ``on_invalid_record`` hears of each file that is no record.

    Raises CatalogError where the folder cannot be read or written, NewerRecord for a record of a newer
    version: to act on half of the truth could delete what the other half protects.
    """

    root: Path
    on_invalid_record: Callable[[errors.CatalogError], None] = field(default=lambda _error: None)
    _decoded: DecodedRecords = field(default_factory=DecodedRecords, repr=False, compare=False)
    _physical: dict[str, PhysicalIndex] = field(
        default_factory=lambda: {"backups": PhysicalIndex(), "proofs": PhysicalIndex()},
        repr=False,
        compare=False,
    )
    _held: dict[str, HeldIndex] = field(default_factory=dict, repr=False, compare=False)

    @property
    def location(self) -> str:
        return str(self.root)

    def create(self) -> bool:
        mark = self.root / listing.MARK
        with _writing(mark):
            if mark.exists():
                return False
            atomic.make_folder(self.root)
            atomic.write(mark, codec.encode(StorageMark.new("catalog", kind="catalog")), shared=True)
        return True

    def is_there(self) -> bool:
        return listing.is_there(self.root)

    def telling(self, on_invalid_record: Callable[[errors.CatalogError], None]) -> FolderCatalog:
        return replace(self, on_invalid_record=on_invalid_record)

    def held(self) -> FolderCatalog:
        return replace(self, _held={folder: HeldIndex(index) for folder, index in self._physical.items()})

    def storages(self) -> Iterator[StorageMark]:
        for path in sorted((self.root / "storages").glob(f"[!.]*{SUFFIX}")):
            mark = self.storage(path.stem)
            if mark is not None:
                yield mark

    def storage(self, name: str) -> StorageMark | None:
        path = self.root / "storages" / f"{name}{SUFFIX}"
        try:
            return codec.read(StorageMark, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(path, error) from error

    def put(self, record: AnyRecord) -> None:
        path = self.path(record)
        self._require()
        with _writing(path):
            atomic.make_folder(path.parent)
            atomic.write(path, codec.encode(record), shared=True)
        self._decoded.forget(path)

    def put_progress(self, record: Backup) -> None:
        path = self.path(record)
        self._require()
        with _writing(path):
            atomic.write(path, codec.encode(record), durable=False, shared=True)
        self._decoded.forget(path)

    def backups(self, plan: str | None = None) -> Iterator[Backup]:
        return self._read(Backup, "backups", plan)

    def physical_backups(self, server: str) -> list[Backup]:
        return self._of_physical(Backup, "backups", server)

    def copies(self, plan: str | None = None) -> Iterator[Copy]:
        return self._read(Copy, "copies", plan)

    def proofs(self, plan: str | None = None) -> Iterator[Proof]:
        return self._read(Proof, "proofs", plan)

    def physical_proofs(self, server: str) -> list[Proof]:
        return self._of_physical(Proof, "proofs", server)

    def restores(self, server: str | None = None) -> Iterator[Restore]:
        return self._read(Restore, "restores", server)

    def totals(self, plan: str) -> Totals:
        path = self.root / "tallies" / f"{plan}{SUFFIX}"
        if not path.exists():
            listing.require(self.root)
            return Totals(plan=plan)
        try:
            return self._one(Totals, path)
        except errors.NewerRecord:
            raise
        except errors.CatalogError as error:
            self.on_invalid_record(error)  # Prometheus expects that a counter may begin anew
            return Totals(plan=plan)

    def tallies(self) -> Iterator[Totals]:
        plans = (path.stem for path in sorted((self.root / "tallies").glob(f"[!.]*{SUFFIX}")))
        return (found for plan in plans if (found := self.totals(plan)) != Totals(plan=plan))

    def plans(self) -> tuple[str, ...]:
        return tuple(sorted(folder.name for folder in listing.folders(self.root, "backups")))

    def backup(self, backup_id: str) -> Backup:
        matches = listing.matching(self.root, backup_id)
        ids.require_one(backup_id, [path.stem for path in matches])
        return self._one(Backup, matches[0])

    def has(self, record: AnyRecord) -> bool:
        path = self.path(record)
        try:
            codec.read(type(record), path)
        except errors.NewerRecord:
            return True
        except (FileNotFoundError, errors.CatalogError):
            return False
        except OSError as error:
            if not listing.costs_itself(error):
                raise unreadable(path, error) from error
            return False
        return True

    def reassign(self, record: Backup | Copy | Proof, old: str, new: str) -> None:
        # The words first, then the rename: two files of one record would be two backups.
        source, target = (self.path(record.evolve(plan=plan)) for plan in (old, new))
        self._require()
        with _writing(target):
            atomic.make_folder(target.parent)
            if target.exists():
                source.unlink(missing_ok=True)
            else:
                atomic.write(source, codec.encode(record.evolve(plan=new)), shared=True)
                source.rename(target)
            atomic.sync_folder(target.parent)
            with suppress(OSError):  # there are others, or another one was the last
                source.parent.rmdir()
            with suppress(FileNotFoundError):
                atomic.sync_folder(source.parent)
        for path in (source, target):
            self._decoded.forget(path)

    def remove(self, record: Backup) -> None:
        path = self.path(record)
        for folder, pattern in (("copies", f"{record.id}@*{SUFFIX}"), ("proofs", f"*{SUFFIX}")):
            for other in sorted((self.root / folder / record.plan).glob(pattern)):
                if (folder == "copies" and not other.is_dir()) or self._proves(other, record.id):
                    other.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        atomic.sync_folder(path.parent)

    def sweep(self, plan: str) -> None:
        self._require()
        of_plan = (self.root / kind / plan for kind in ("backups", "copies", "proofs"))
        of_all = (self.root, self.root / "tallies", self.root / "storages")
        for folder in (*of_plan, *of_all, *listing.folders(self.root, "restores")):
            with _writing(folder):
                atomic.sweep_abandoned(folder)

    def path(self, record: AnyRecord) -> Path:
        """The path of the record's file."""
        if isinstance(record, Backup):
            return self.root / "backups" / record.plan / f"{record.id}{SUFFIX}"
        if isinstance(record, Copy):
            return self.root / "copies" / record.plan / f"{record.backup}@{record.storage}{SUFFIX}"
        if isinstance(record, Proof):
            return self.root / "proofs" / record.plan / f"{record.id}{SUFFIX}"
        if isinstance(record, StorageMark):
            return self.root / "storages" / f"{record.name}{SUFFIX}"
        if isinstance(record, Restore):
            return self.root / "restores" / record.server / f"{record.id}{SUFFIX}"
        return self.root / "tallies" / f"{record.plan}{SUFFIX}"

    def check_writable(self) -> None:
        self._require()
        probe = atomic.temporary_beside(self.root / "probe")
        with _writing(probe):
            atomic.write(probe, b"")
            probe.unlink()

    def entries(self, folder: str, plan: str | None = None) -> Iterator[Path]:
        """The record files of a folder (``backups``, ``copies``, ``proofs``), the newest first, unread."""
        return listing.newest_first(self.root, folder, plan)

    def _of_physical(self, kind: type[Physical], folder: str, server: str) -> list[Physical]:
        # A plan may have had another server or kind: each record tells, and no more is read of others.
        folders, held = partial(listing.folders, self.root, folder), self._held.get(folder)
        paths = held.paths(folders, server) if held else self._physical[folder].paths(folders(), server)
        wanted = (server, "physical")
        return [each for each in self._decode(kind, paths) if (each.server, each.backup_type) == wanted]

    def _read(self, kind: type[R], folder: str, plan: str | None) -> Iterator[R]:
        return self._decode(kind, self.entries(folder, plan))

    def _decode(self, kind: type[R], paths: Iterable[Path]) -> Iterator[R]:
        for path in paths:
            try:
                yield self._decoded.read(kind, path)
            except FileNotFoundError:
                continue  # removed since the folder was listed
            except OSError as error:
                if not listing.costs_itself(error):
                    raise unreadable(path, error) from error
                self.on_invalid_record(unreadable(path, error))
            except errors.NewerRecord:
                raise
            except errors.CatalogError as error:
                self.on_invalid_record(error)

    def _require(self) -> None:
        """Nothing is written into the mount point of a disk that is not mounted. Raises CatalogError."""
        with _writing(self.root):
            listing.require(self.root)

    def _one(self, kind: type[One], path: Path) -> One:
        try:
            return self._decoded.read(kind, path)
        except OSError as error:
            raise unreadable(path, error) from error

    def _proves(self, path: Path, backup_id: str) -> bool:
        try:
            return self._one(Proof, path).backup == backup_id
        except errors.CatalogError:
            return False


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {path}: {error.strerror}.",
            remedy="Check free space, the folder's owner and mode, and that it is not mounted read-only.",
        ) from error
