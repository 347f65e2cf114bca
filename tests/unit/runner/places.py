"""A workspace in a folder, with backups that really lie there."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment, WalSegment, WalState
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.wal import archive_identity, index
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, storages


def workspace(folder: Path, *, keep: dict[str, Any] | None = None, **changes: Any) -> Workspace:
    """Plans main-logical and main-physical of server main, written to the storage ``disk``."""
    plan = {"server": "main", "keep": keep or {"last": 1, "minimum": 1}, "copies": changes.pop("copies", ())}
    document = {
        "servers": {"main": {}},
        "plans": {
            "main-logical": {**plan, "backup_type": "logical"},
            "main-physical": {**plan, "backup_type": "physical"},
        },
        "storages": {"disk": {"kind": "folder", "path": folder / "store"}, **changes.pop("storages", {})},
        **changes,
    }
    config = Config.model_validate(document)
    catalog = FolderCatalog(config.catalog_folder())
    return storages.create(Workspace(file=folder / "pgbackstop.yaml", config=config, catalog=catalog))


def stored(opened: Workspace, backup: Backup, content: bytes = b"the bytes\n") -> Backup:
    """Put a backup's files where its record says, and the record into the catalog and beside them."""
    file = StoredFile(path="shop.backup", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    record = backup.evolve(files=(file,), size_bytes=len(content))
    folder = folder_of(opened, record)
    folder.mkdir(parents=True)
    (folder / file.path).write_bytes(content)
    (folder / layout.CHECKSUMS_NAME).write_text(f"{file.sha256}  {file.path}\n")
    (folder / layout.RESTORE_NAME).write_text("# Restore by hand\n")
    (folder / layout.RECORD_NAME).write_bytes(codec.encode(record))
    opened.catalog.put(record)
    return record


def stored_many(opened: Workspace, backup: Backup, count: int = 150) -> Backup:
    """The same of a dump with a file for each table: its list stands beside the bytes."""
    folder = folder_of(opened, backup)
    (folder / "shop.dir").mkdir(parents=True)
    files = []
    for number in range(count):
        content = f"rows of table {number}\n".encode()
        path = f"shop.dir/{number}.dat"
        (folder / path).write_bytes(content)
        files.append(
            StoredFile(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        )
    record = backup.evolve(format="directory", **file_list.on_record(backup, tuple(files)))
    (folder / layout.CHECKSUMS_NAME).write_bytes(file_list.text(files))
    (folder / layout.RESTORE_NAME).write_text("# Restore by hand\n")
    (folder / layout.RECORD_NAME).write_bytes(codec.encode(record))
    opened.catalog.put(record)
    return record


def folder_of(opened: Workspace, backup: Backup) -> Path:
    """Where the backup's files are."""
    return opened.config.folder("disk").path / str(backup.location)


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their names in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def no_sleep(_seconds: float) -> None:
    """Tests wait for nothing."""


def days(opened: Workspace, count: int, *, until: datetime = factories.NOW, **changes: Any) -> list[Backup]:
    """One stored backup a day, the newest first."""
    return [
        stored(opened, factories.backup(number, until - number * factories.DAY, **changes))
        for number in range(count)
    ]


def archived(opened: Workspace, first: int, last: int, *, state: WalState | None = None) -> None:
    """Segments of server main in its archive's index; each covers one minute more than the one before."""
    folder = opened.wal_archive("main")
    archive_identity.ensure(folder, "7", wal_segments.DEFAULT_SEGMENT_BYTES)
    index.append(folder, [_segment(number) for number in range(first, last + 1)])
    if state is not None:
        path = opened.state.wal("main")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(codec.encode(state))


def _segment(number: int) -> WalSegment:
    name = Segment(timeline=1, number=number).name()
    return WalSegment(
        name=name,
        path=f"{name[:16]}/{name}",
        size_bytes=1,
        sha256="0" * 64,
        archived_at=factories.NOW,
        covers_until=minute(number),
    )


def minute(number: float) -> datetime:
    """The moment that WAL segment ``number`` reaches to."""
    return factories.NOW + timedelta(minutes=number)


def base_backup(number: int, **changes: Any) -> Backup:
    """A base backup of server main that begins and ends in segment ``number``."""
    facts: dict[str, Any] = {
        "start_lsn": wal_segments.format_lsn(number * wal_segments.DEFAULT_SEGMENT_BYTES + 40),
        "stop_lsn": wal_segments.format_lsn(number * wal_segments.DEFAULT_SEGMENT_BYTES + 900),
        "timeline": 1,
    }
    return factories.physical(number, minute(number), **{**facts, **changes})
