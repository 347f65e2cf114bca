"""An installation in which every panel has something to show: plans in every state, WAL, proofs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config import discovered
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_dashboards import promql
from tests.dashboards.prometheus import Prometheus
from tests.integration.exporter.running import Exporter, write_config
from tests.support.factories import (
    DAY,
    catalog_and_files,
    copy_of,
    daily,
    proof_of,
    restore_of,
    weekly,
)
from tests.support.servers import SUPERUSER, Server
from tests.unit.exporter.filled import put_state, wal_copy_state, wal_state

RULES = Path(__file__).parents[2] / "alerts" / "pgbackstop.rules.yml"
HOUR = timedelta(hours=1)
SLOT = "dashboards"
FLEET = "dashboards_fleet"
STATES = {
    "fine": promql.OK,
    "running": promql.RUNNING,
    "new": promql.NEW,
    "paused": promql.PAUSED,
    "failed": promql.FAILED,
    "late": promql.LATE,
    "never": promql.NEVER,
    "stuck": promql.STUCK,
    "weekly": promql.OK,
}


def configure(folder: Path, server: Server) -> Path:
    """One plan for each state, and a physical one."""
    daily = {"server": "main", "backup_type": "logical", "databases": ["shop"], "copies": ["offsite"]}
    plans: dict[str, Any] = {name: daily for name in STATES if name != "weekly"}
    plans["paused"] = {**daily, "enabled": False}
    plans["weekly"] = {"server": "main", "backup_type": "physical"}
    document = {
        "servers": {
            "main": {
                "host": "127.0.0.1",
                "port": server.port,
                "user": SUPERUSER,
                "password_file": server.password_file,
                "labels": {"team": "shop"},
                "wal": {"slot": SLOT, "copies": ["offsite"]},
            }
        },
        "plans": plans,
        "storages": {
            "local": {"kind": "folder", "path": folder},
            "offsite": {"kind": "s3", "bucket": "backups"},
        },
        "catalog": folder / "catalog",
    }
    return write_config(folder / "pgbackstop.yaml", document)


def _running(plan: str, started: datetime) -> Backup:
    return daily(
        plan=plan,
        status=Status.RUNNING,
        started_at=started,
        scheduled_for=started,
        progress_bytes=5 * 10**5,
        progress_expected_bytes=10**6,
    )


def failed(plan: str, ended: datetime) -> Backup:
    """A scheduled run that failed."""
    return daily(ended, plan=plan, status=Status.FAILED, reason=Reason.TOOL, scheduled_for=ended)


def records(now: datetime) -> list[Backup | Copy | Proof]:
    """What has happened until now."""
    # Due times are handled until now, so that no plan is late at some hours of the day.
    fine = [
        daily(now - day * DAY - HOUR, plan="fine", scheduled_for=now, size_bytes=10**6 + day * 10**4)
        for day in range(5)
    ]
    base = weekly(now - 2 * DAY, scheduled_for=now)
    return [
        *fine,
        copy_of(fine[1], failures=2),
        proof_of(fine[0]),
        proof_of(fine[2], status=Status.FAILED),
        proof_of(fine[1], proof="verify"),
        *(daily(now - 5 * HOUR, plan=plan) for plan in ("running", "failed", "paused")),
        *(daily(now - 4 * DAY, plan=plan) for plan in ("late", "stuck")),
        failed("failed", now - HOUR),
        _running("running", now),
        _running("stuck", now - 2 * DAY),
        base,
        proof_of(base, proven_until=now - DAY),
    ]


def fill(folder: Path, server: Server, now: datetime) -> None:
    """The catalog with records, the backups' folders, the states of daemon and receiver, and the outbox."""
    found = records(now)
    filled = catalog_and_files(folder, *found)
    filled.put(Totals(plan="late", runs={"shop": 7}, missed={"": 2}))
    for status in (Status.SUCCEEDED, Status.FAILED):
        filled.put(restore_of(daily(now - DAY), status=status))
    seen = {name: now if name == "new" else now - 10 * DAY for name in STATES}
    put_state(
        folder,
        "state/scheduler.json",
        SchedulerState(pid=1, host="h", started_at=now, heartbeat_at=now, first_seen=seen),
    )
    [(lsn,)] = server.execute("SELECT pg_current_wal_lsn()::text")
    state = wal_state(
        started_at=now, updated_at=now, last_received_at=now, recoverable_until=now, gaps=(), received_lsn=lsn
    )
    put_state(folder, "state/wal/main.json", state)
    copier = wal_copy_state(started_at=now, updated_at=now, copied_at=now, recoverable_until=now)
    put_state(folder, "state/wal_copies/offsite/main.json", copier)
    read = WalReadings(server="main", updated_at=now, oldest=now - DAY)
    put_state(folder, "state/wal_readings/main.json", read)
    copied = read.evolve(storage="offsite")
    put_state(folder, "state/wal_copy_readings/offsite/main.json", copied)
    outbox = folder / "catalog" / "outbox"
    outbox.mkdir()
    (outbox / "tally.state").write_text('{"failures": {"alertmanager": 3}}')


@contextmanager
def _around_workers(folder: Path, server: Server) -> Iterator[Exporter]:
    """Another exporter, of a catalog in PostgreSQL whose worker lives, and of a list that was taken."""
    server.execute(f"create database {FLEET} encoding 'UTF8' template template0")
    try:
        config = _configure_workers(folder, server)
        server.execute(
            "insert into pgbackstop.worker values ('a', 'a', '{default}', now(), now(), '1 day')", FLEET
        )
        now = datetime.now(UTC).timestamp()
        taken = discovered.status_file(folder / "state", "racks")
        taken.parent.mkdir(parents=True)
        taken.write_text(json.dumps({"asked_at": now, "answered_at": now, "problem": ""}))
        with Exporter(config) as exporter:
            yield exporter
    finally:
        server.execute(f"drop database {FLEET} with (force)")


def _configure_workers(folder: Path, server: Server) -> Path:
    place = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": SUPERUSER,
        "password_file": server.password_file,
        "database": FLEET,
    }
    document = {
        "storages": {"local": {"kind": "folder", "path": folder / "store"}},
        "discovery": {"racks": {"files": [folder / "racks.json"]}},
        "workers": {"enabled": True},
        "catalog": {"postgres": place},
        "state_folder": folder / "state",
    }
    folder.mkdir()
    return write_config(folder / "pgbackstop.yaml", document)


@contextmanager
def running(folder: Path, server: Server) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the exporters of that world, and has seen one run fail."""
    now = datetime.now(UTC)
    server.execute(f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
    try:
        fill(folder, server, now)
        with (
            Exporter(configure(folder, server)) as exporter,
            _around_workers(folder / "fleet", server) as other,
        ):
            targets = [each.address.removeprefix("http://") for each in (exporter, other)]
            with Prometheus(folder, targets, RULES) as prometheus:
                _let_it_look(prometheus, folder)
                yield prometheus
    finally:
        server.execute(f"SELECT pg_drop_replication_slot('{SLOT}')")


def _let_it_look(prometheus: Prometheus, folder: Path) -> None:
    prometheus.until(
        lambda: all(
            prometheus.instant(f"count_over_time({name}[1m]) > 4")
            for name in ("backup_running", "backup_wal_slot_active", "disk_free_bytes")
        ),
        "a few scrapes of every source",
    )
    catalog_and_files(folder, failed("failed", datetime.now(UTC)))
    prometheus.until(
        lambda: bool(prometheus.instant("increase(backup_run_failures_total[20s]) > 0")),
        "a failure is counted",
    )
    prometheus.until(
        lambda: bool(prometheus.instant('ALERTS{severity="critical",alertstate="firing"}')),
        "a critical alert fires",
    )
