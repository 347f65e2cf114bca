"""A fleet in every state that the console knows, in a catalog of real records."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pgbackstop_catalog.decisions.wal_segments import Segment, WalGap, WalSegment, WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status, Step
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_catalog.records.vanished import VanishedTable
from pgbackstop_catalog.store import layout
from pgbackstop_runner import workspace as workspaces
from pgbackstop_runner.wal import archive_identity, index
from pgbackstop_runner.workspace import Workspace
from tests.integration.console.fleet_configuration import DATABASES, DAY, HOUR, MINUTE, document
from tests.support import storages


@dataclass(kw_only=True)
class Fleet:
    opened: Workspace
    port: int
    now: datetime

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def newest(self, plan: str, database: str = "") -> Backup:
        return next(each for each in self.opened.catalog.backups(plan) if each.database == database)


def made(folder: Path, port: int) -> Fleet:
    """The fleet, without its console."""
    now = utc_now().replace(microsecond=0)
    file = folder / "pgbackstop.yaml"
    file.write_text(yaml.safe_dump(document(now, port, folder), allow_unicode=True, sort_keys=False))
    opened = workspaces.open_workspace(file, on_invalid_record=lambda _error: None)
    storages.create(opened)
    fleet = Fleet(opened=opened, port=port, now=now)
    _logical(fleet)
    _physical(fleet)
    _troubles(fleet)
    _daemon(fleet)
    (folder / "offsite").rename(folder / "not-mounted")
    return fleet


def _logical(fleet: Fleet) -> None:
    for days in reversed(range(7)):
        ended = fleet.now - 18 * HOUR - days * DAY
        for number, database in enumerate(DATABASES):
            stored(fleet, "shop-logical", ended + number * MINUTE, database, 4_659_823 * (4 - number) - days)
    newest = fleet.newest("shop-logical", "shop")
    proof = Proof.of(newest, "drill", started_at=fleet.now - 2 * HOUR)
    done = {
        "status": Status.SUCCEEDED,
        "finished_at": fleet.now - 2 * HOUR + MINUTE,
        "duration_seconds": 51.2,
    }
    fleet.opened.catalog.put(proof.evolve(**done, drill="logical", proven_until=newest.finished_at))
    copy = Copy.of(newest, "offsite", started_at=fleet.now - 17 * HOUR)
    fleet.opened.catalog.put(copy.evolve(status=Status.SUCCEEDED, finished_at=fleet.now - 17 * HOUR + MINUTE))


def stored(fleet: Fleet, plan: str, ended: datetime, database: str, size: int, **changes: Any) -> Backup:
    """A good backup, with a folder of its own in its storage and all that a record tells."""
    content = database.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    started = ended - 42 * timedelta(seconds=1)
    backup_id = new_id(started)
    config = fleet.opened.config.plans[plan]
    storage = config.storage or "disk"
    name = layout.folder_name(database or "base")
    location = layout.backup_folder(
        backup_type=config.backup_type, server=config.server, database=database, backup_id=backup_id
    )
    facts: dict[str, Any] = {
        "id": backup_id,
        "plan": plan,
        "server": config.server,
        "database": database,
        "backup_type": config.backup_type,
        "status": Status.SUCCEEDED,
        "trigger": "schedule",
        "scheduled_for": started,
        "started_at": started,
        "finished_at": ended,
        "duration_seconds": 41.7,
        "storage": storage,
        "location": str(location),
        "size_bytes": size,
        "source_size_bytes": size * 12,
        "files": (StoredFile(path=f"{name}.backup", size_bytes=size, sha256=sha256),),
        "verified_at": ended + MINUTE,
        "verification": "every byte, by pg_restore",
        "host": "backup-1",
        "tools": {"pg_dump": "17.6"},
        "steps": (
            Step(name="globals", duration_seconds=0.1, detail="exported"),
            Step(name="dump", duration_seconds=38.0, detail=f"pg_dump of {database}"),
            Step(name="commit", duration_seconds=3.6),
        ),
        "row_counts": {
            '"public"."orders"': 104_822,
            '"public"."заказы"': 8_211,
            '"public"."<i>tags</i>"': 12,
        },
        "restore_by_hand": (
            f"createdb --template=template0 '{database}'",
            f"pg_restore --exit-on-error --dbname='{database}' {name}.backup",
        ),
    }
    record = Backup.model_validate({**facts, **changes})
    folder = fleet.opened.config.folder(storage).path / location
    folder.mkdir(parents=True)
    (folder / record.files[0].path).write_bytes(content)
    (folder / layout.RECORD_NAME).write_bytes(codec.encode(record))
    fleet.opened.catalog.put(record)
    return record


def _physical(fleet: Fleet) -> None:
    """Two base backups and the WAL behind each, with a gap of hours between; a segment has 15 minutes."""
    first_at = fleet.now - 41 * HOUR
    bases = {4: first_at, 100: fleet.now - 17 * HOUR}
    for number, ended in bases.items():
        stored(
            fleet,
            "shop-physical",
            ended,
            "",
            105_492_760,
            start_lsn=f"0/{number:X}000028",
            stop_lsn=f"0/{number:X}000100",
            timeline=1,
            server_facts=ServerFacts(version="17.6", version_number=170006, system_identifier="7"),
            row_counts=None,
            tools={"pg_basebackup": "17.6"},
        )
    folder = fleet.opened.wal_archive("shop")
    archive_identity.ensure(folder, "7", 16 * 1024 * 1024)
    numbers = [*range(4, 80), *range(100, 169)]
    index.append(folder, [segment(each, first_at + 15 * MINUTE * (each - 4)) for each in numbers])
    gap = WalGap(
        timeline=1,
        first=Segment(timeline=1, number=80).name(),
        last=Segment(timeline=1, number=99).name(),
        segments=20,
        found_at=fleet.now - 22 * HOUR,
    )
    state = WalState(
        server="shop",
        method="stream",
        status="streaming",
        started_at=fleet.now - 30 * DAY,
        updated_at=fleet.now,
        gaps=(gap,),
    )
    path = fleet.opened.state.wal("shop")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(codec.encode(state))
    drilled = Proof.of(fleet.newest("shop-physical"), "drill", started_at=fleet.now - 9 * HOUR)
    done = {
        "status": Status.SUCCEEDED,
        "finished_at": fleet.now - 9 * HOUR + 3 * MINUTE,
        "duration_seconds": 187.0,
    }
    fleet.opened.catalog.put(drilled.evolve(**done, drill="pitr", proven_until=fleet.now - 10 * HOUR))


def segment(number: int, covers_until: datetime) -> WalSegment:
    """A segment of timeline 1 that reaches to that moment."""
    name = Segment(timeline=1, number=number).name()
    return WalSegment(
        name=name,
        path=f"{name[:16]}/{name}",
        size_bytes=1,
        sha256="0" * 64,
        archived_at=covers_until,
        covers_until=covers_until,
    )


def _troubles(fleet: Fleet) -> None:
    stored(fleet, "crm-logical", fleet.now - 43 * HOUR, "crm", 88_210_000)
    for days in (1, 0):
        failed(fleet, "crm-logical", fleet.now - 19 * HOUR - days * 10 * MINUTE, "crm")
    stored(
        fleet,
        "crm-late",
        fleet.now - 27 * HOUR,
        "mail",
        12_000_000,
        vanished=(VanishedTable(table='"public"."drafts"', rows_before=5_104, rows=0),),
        warnings=('The table "public"."drafts" is empty; it had 5104 rows in the backup before.',),
    )
    stored(fleet, "crm-paused", fleet.now - 90 * DAY, "old", 1_200_000)
    stored(fleet, "billing-offsite", fleet.now - 16 * HOUR, "ledger", 3_400_000)


def failed(fleet: Fleet, plan: str, started: datetime, database: str) -> Backup:
    """An attempt that a program ended, with its words."""
    record = Backup(
        id=new_id(started),
        plan=plan,
        server=fleet.opened.config.plans[plan].server,
        database=database,
        backup_type="logical",
        status=Status.FAILED,
        reason=Reason.TOOL,
        message="pg_dump: error: query failed: ERROR: permission denied for table <b>заказы</b> "
        "HINT: GRANT SELECT ON ALL TABLES IN SCHEMA public TO pgbackstop.",
        trigger="schedule",
        scheduled_for=started,
        started_at=started,
        finished_at=started + MINUTE,
        duration_seconds=60.4,
        host="backup-1",
    )
    fleet.opened.catalog.put(record)
    return record


def _daemon(fleet: Fleet) -> None:
    """It lives while the pages are looked at, and has known each plan but the new one for a month."""
    since = dict.fromkeys(fleet.opened.config.plans, fleet.now - 30 * DAY)
    state = SchedulerState(
        pid=1,
        host="backup-1",
        started_at=fleet.now - 30 * DAY,
        heartbeat_at=fleet.now + HOUR,
        first_seen={**since, "billing-new": fleet.now - HOUR},
    )
    fleet.opened.state.scheduler.write_bytes(codec.encode(state))
