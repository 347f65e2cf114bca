"""Where a backup's bytes are in a folder storage, and the record beside them."""

from __future__ import annotations

from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def write_beside(workspace: Workspace, record: Backup) -> None:
    """Let the record beside the bytes say what the catalog says; where that is not possible, it is logged."""
    folder = known_folder(workspace, record)
    if folder is None or not folder.is_dir():
        return
    try:
        atomic.write(folder / layout.RECORD_NAME, codec.encode(record))
    except OSError as error:
        log.logger().warning(
            "the verdict is in the catalog only", backup=record.id, message=str(error.strerror or error)
        )


def known_folder(workspace: Workspace, record: Backup) -> Path | None:
    """The folder that the record names; None where its storage left the configuration."""
    if record.storage is None or record.location is None:
        return None
    try:
        storage = workspace.config.folder(record.storage)
    except (KeyError, TypeError):
        return None  # the storage was taken out of the configuration
    return storage.path / record.location


class Refused(errors.PgbackstopError):
    """A record names a place that its backup cannot have; nothing there is touched."""


def folder_of(config: Config, backup: Backup) -> Path | None:
    """Where the backup's bytes are; None where the record names none. Raises Refused."""
    if backup.storage is None or backup.location is None:
        return None
    storage = config.storages.get(backup.storage)
    if not isinstance(storage, FolderStorage):
        raise Refused(
            f"Backup {backup.id} is in storage {backup.storage!r}, which is no folder of the configuration.",
            remedy="Name the storage again, or remove the bytes by hand.",
        )
    folder = storage.path / backup.location
    if folder.name != backup.id:
        raise Refused(f"The record of backup {backup.id} names {folder}, which is not its folder.")
    if folder.parent.resolve() != storage.path.resolve() / Path(backup.location).parent:
        raise Refused(
            f"{folder.parent} leads elsewhere by a symbolic link; nothing behind it is removed.",
            remedy="Let the storage's path lead to the real place.",
        )
    return folder
