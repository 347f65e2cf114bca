"""A workspace in a folder, with backups that really lie there."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.workspace import Workspace
from tests.unit.catalog import builders


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
    return Workspace(
        file=folder / "pgbackstop.yaml", config=config, catalog=FolderCatalog(config.catalog_folder())
    )


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


def folder_of(opened: Workspace, backup: Backup) -> Path:
    """Where the backup's files are."""
    return opened.config.folder("disk").path / str(backup.location)


def days(opened: Workspace, count: int, *, until: datetime = builders.NOW, **changes: Any) -> list[Backup]:
    """One stored backup a day, the newest first."""
    return [
        stored(opened, builders.backup(number, until - number * builders.DAY, **changes))
        for number in range(count)
    ]
