"""Records, configurations and catalogs for tests: real values, all well unless a test says otherwise."""

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
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
DAY = timedelta(days=1)


def at(hour: int, minute: int = 0, second: int = 0, day: int = 22) -> datetime:
    """A moment of November 2026."""
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def backup(number: int, ended: datetime = NOW, **changes: Any) -> Backup:
    """A logical backup of `shop` by plan `main-logical` that took a minute; `number` makes its id its own."""
    started = changes.pop("started_at", ended - timedelta(minutes=1))
    backup_id = f"{started:%Y%m%dT%H%M%SZ}-{number:06x}"
    facts: dict[str, Any] = {
        "id": backup_id,
        "plan": "main-logical",
        "server": "main",
        "database": "shop",
        "backup_type": "logical",
        "status": Status.SUCCEEDED,
        "started_at": started,
        "finished_at": ended,
        "storage": "disk",
    }
    made = Backup.model_validate({**facts, **changes})
    return made if "location" in changes else made.evolve(location=_location(made))


def _location(made: Backup) -> str:
    return str(
        layout.backup_folder(
            backup_type=made.backup_type, server=made.server, database=made.database, backup_id=made.id
        )
    )


def physical(number: int, ended: datetime = NOW, *, parent: Backup | None = None, **changes: Any) -> Backup:
    """A physical backup by plan `main-physical`, incremental where it has a parent."""
    facts: dict[str, Any] = {
        "plan": "main-physical",
        "database": "",
        "backup_type": "physical",
        "server_facts": ServerFacts(version="17.5", version_number=170005, system_identifier="7"),
        "method": "incremental" if parent else "full",
        "parent": parent.id if parent else None,
    }
    return backup(number, ended, **{**facts, **changes})


def instant(moment: datetime, **changes: Any) -> Backup:
    """A physical backup by plan `shop` that began and ended at that moment."""
    facts: dict[str, Any] = {
        "id": new_id(moment),
        "plan": "shop",
        "server": "main",
        "backup_type": "physical",
        "status": Status.SUCCEEDED,
        "started_at": moment,
        "finished_at": moment,
    }
    return Backup.model_validate({**facts, **changes})


def daily(ended: datetime = NOW, **changes: Any) -> Backup:
    """A logical backup of `shop` by plan `daily` of `config()`, with its sizes if it ended well."""
    status = changes.get("status", Status.SUCCEEDED)
    is_good = status is Status.SUCCEEDED
    started = changes.pop("started_at", ended - timedelta(seconds=90))
    facts: dict[str, Any] = {
        "id": new_id(started),
        "plan": "daily",
        "database": "shop",
        "backup_type": "logical",
        "started_at": started,
        "finished_at": None if status is Status.RUNNING else ended,
        "duration_seconds": 90.5 if is_good else None,
        "size_bytes": 1_000_000 if is_good else None,
        "source_size_bytes": 9_000_000 if is_good else None,
    }
    return instant(started, **{**facts, **changes})


def weekly(ended: datetime = NOW, **changes: Any) -> Backup:
    """A physical backup by plan `weekly` of `config()`."""
    facts: dict[str, Any] = {"plan": "weekly", "database": "", "backup_type": "physical"}
    return daily(ended, **{**facts, "start_lsn": "0/3000028", "timeline": 1, **changes})


def failed(ended: datetime = NOW, reason: Reason | None = Reason.TOOL, **changes: Any) -> Backup:
    """A run of plan `daily` that ended badly."""
    return daily(ended, status=Status.FAILED, reason=reason, **changes)


def copy_of(record: Backup, **changes: Any) -> Copy:
    """A copy of that backup in the storage `offsite`."""
    facts: dict[str, Any] = {
        "backup": record.id,
        "storage": "offsite",
        "status": Status.SUCCEEDED,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        **_source_of(record),
    }
    return Copy.model_validate({**facts, **changes})


def proof_of(record: Backup, **changes: Any) -> Proof:
    """A drill of that backup, begun when it had ended."""
    moment = record.finished_at or record.started_at
    facts: dict[str, Any] = {
        "id": new_id(moment),
        "proof": "drill",
        "backup": record.id,
        **_minute_from(moment),
        **_source_of(record),
    }
    return Proof.model_validate({**facts, **changes})


def restore_of(record: Backup, **changes: Any) -> Restore:
    """A restore of that backup into its own database, begun when it had ended."""
    moment = record.finished_at or record.started_at
    facts: dict[str, Any] = {
        "id": new_id(moment),
        "server": record.server,
        "plan": record.plan,
        "backup": record.id,
        "database": record.database,
        "target": record.database,
        **_minute_from(moment),
    }
    return Restore.model_validate({**facts, **changes})


def _source_of(record: Backup) -> dict[str, Any]:
    return {
        "plan": record.plan,
        "server": record.server,
        "database": record.database,
        "backup_type": record.backup_type,
    }


def _minute_from(moment: datetime) -> dict[str, Any]:
    return {
        "status": Status.SUCCEEDED,
        "started_at": moment,
        "finished_at": moment + timedelta(seconds=60),
        "duration_seconds": 60.0,
    }


def config(folder: Path, **changes: Any) -> Config:
    """Server `main` with the plans `daily` (logical) and `weekly` (physical)."""
    facts: dict[str, Any] = {
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
    return Config.model_validate({**facts, **changes})


def catalog(folder: Path, *records: Backup | Copy | Proof | Restore) -> FolderCatalog:
    """A catalog in `folder` that holds these records."""
    found = FolderCatalog(folder / "catalog")
    found.create()
    (folder / "catalog" / "backups").mkdir(parents=True, exist_ok=True)
    for record in records:
        found.put(record)
    return found


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
