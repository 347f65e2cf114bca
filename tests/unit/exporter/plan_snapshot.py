"""The snapshot of one plan and its records."""

from pathlib import Path

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_exporter.snapshot import CATALOG, ServerHealth, Settings, Snapshot
from pgbackstop_exporter.sources.catalog import CatalogSource
from tests.support.factories import catalog, config
from tests.unit.exporter.filled import SEEN_AT, WELL

DAILY = {"plan": "daily", "server": "main", "database": "shop", "backup_type": "logical"}


def of(
    folder: Path,
    *records: Backup | Copy | Proof,
    live: dict[str, float] | None = None,
    offsite: dict[str, object] | None = None,
    **plan: object,
) -> Snapshot:
    """The snapshot of a catalog with these records; `plan` changes the daily plan, `offsite` its storage."""
    catalog(folder, *records)
    daily = {"server": "main", "backup_type": "logical", **plan}
    storages = {
        "local": {"kind": "folder", "path": folder},
        "offsite": {"kind": "s3", "bucket": "backups", **(offsite or {})},
    }
    found = ServerHealth(
        lsn=None,
        databases=live or {},
        slot_active=False,
        slot_retained=None,
        ready_segments=None,
        last_archived=0.0,
        last_failed=0.0,
    )
    return Snapshot(
        settings=Settings(
            config=config(folder, plans={"daily": daily}, storages=storages), seen_at=SEEN_AT.timestamp()
        ),
        catalog=CatalogSource.of_folder(folder / "catalog").refresh(),
        servers={} if live is None else {"main": found},
        health={CATALOG: WELL},
    )
