"""Records and configurations for tests of the exporter: real values, short to write."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def backup(ended: datetime = NOW, **changes: Any) -> Backup:
    """A logical backup of `shop` on server `main` by plan `daily` that ended well, unless changed."""
    started = changes.pop("started_at", ended - timedelta(seconds=90))
    status = changes.get("status", Status.SUCCEEDED)
    is_good = status is Status.SUCCEEDED
    values: dict[str, Any] = {
        "id": new_id(started),
        "plan": "daily",
        "server": "main",
        "database": "shop",
        "backup_type": "logical",
        "status": status,
        "started_at": started,
        "finished_at": None if status is Status.RUNNING else ended,
        "duration_seconds": 90.5 if is_good else None,
        "size_bytes": 1_000_000 if is_good else None,
        "source_size_bytes": 9_000_000 if is_good else None,
    }
    return Backup(**{**values, **changes})


def physical(ended: datetime = NOW, **changes: Any) -> Backup:
    """A physical backup of server `main` by plan `weekly` that ended well, unless changed."""
    values: dict[str, Any] = {"plan": "weekly", "database": "", "backup_type": "physical"}
    return backup(ended, **{**values, "start_lsn": "0/3000028", "timeline": 1, **changes})


def failed(ended: datetime = NOW, reason: Reason | None = Reason.TOOL, **changes: Any) -> Backup:
    """A logical backup like the above that ended badly."""
    return backup(ended, status=Status.FAILED, reason=reason, **changes)


def copy_of(record: Backup, **changes: Any) -> Copy:
    """A copy of that backup in the storage `offsite` that ended well, unless changed."""
    values: dict[str, Any] = {
        "backup": record.id,
        "storage": "offsite",
        "status": Status.SUCCEEDED,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        **_whose(record),
    }
    return Copy(**{**values, **changes})


def proof_of(record: Backup, **changes: Any) -> Proof:
    """A drill of that backup that ended well, unless changed."""
    moment = record.finished_at or record.started_at
    values: dict[str, Any] = {
        "id": new_id(moment),
        "proof": "drill",
        "backup": record.id,
        "status": Status.SUCCEEDED,
        "started_at": moment,
        "finished_at": moment + timedelta(seconds=60),
        "duration_seconds": 60.0,
        **_whose(record),
    }
    return Proof(**{**values, **changes})


def restore_of(record: Backup, **changes: Any) -> Restore:
    """A restore of that backup into its own database that ended well, unless changed."""
    moment = record.finished_at or record.started_at
    values: dict[str, Any] = {
        "id": new_id(moment),
        "server": record.server,
        "plan": record.plan,
        "backup": record.id,
        "database": record.database,
        "target": record.database,
        "status": Status.SUCCEEDED,
        "started_at": moment,
        "finished_at": moment + timedelta(seconds=60),
        "duration_seconds": 60.0,
    }
    return Restore(**{**values, **changes})


def _whose(record: Backup) -> dict[str, Any]:
    return {
        "plan": record.plan,
        "server": record.server,
        "database": record.database,
        "backup_type": record.backup_type,
    }


def config(folder: Path, **changes: Any) -> Config:
    """Server `main` with the plans `daily` (logical) and `weekly` (physical), unless changed."""
    values: dict[str, Any] = {
        "servers": {"main": {"wal": {"copies": ["offsite"]}}},
        "plans": {
            "daily": {"server": "main", "backup_type": "logical", "copies": ["offsite"]},
            "weekly": {"server": "main", "backup_type": "physical"},
        },
        "storages": {
            "local": {"kind": "folder", "path": folder},
            "offsite": {"kind": "s3", "bucket": "backups"},
        },
        "catalog": folder / "catalog",
    }
    return Config.model_validate({**values, **changes})


def catalog_and_files(folder: Path, *records: Backup | Copy | Proof | Restore) -> FolderCatalog:
    """A catalog that holds these records, and beside it the folders of the backups that they say are kept."""
    for record in records:
        if isinstance(record, Backup) and record.is_available:
            backup_folder(folder, record).mkdir(parents=True)
    return catalog(folder, *records)


def backup_folder(folder: Path, record: Backup) -> Path:
    """Where the storage at `folder` has the files of that backup."""
    return folder / layout.backup_folder(
        backup_type=record.backup_type,
        server=record.server,
        database=record.database,
        backup_id=record.id,
    )


def catalog(folder: Path, *records: Backup | Copy | Proof | Restore) -> FolderCatalog:
    """A catalog in `folder` that holds these records."""
    found = FolderCatalog(folder / "catalog")
    found.create()
    (folder / "catalog" / "backups").mkdir(parents=True, exist_ok=True)
    for record in records:
        found.put(record)
    return found
