"""The daemon with the real ``pgbackstop backup`` and a real PostgreSQL."""

import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from pgbackstop_catalog.records.attempt import Status
from tests.integration.daemon.conftest import DEADLINE, Daemons, until
from tests.support import backups, forks, storages
from tests.support.databases import Database


@pytest.fixture
def configured(daemons: Daemons, database: Database) -> Daemons:
    document = {
        "servers": {"main": backups.reached(database.server)},
        "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
        "plans": {
            "shop": {
                "server": "main",
                "backup_type": "logical",
                "databases": [database.name],
                "schedule": "*/2 * * * * *",
                "drill": {"enabled": False},  # it would fall due on Mondays
            }
        },
    }
    daemons.file.write_text(yaml.safe_dump(document))
    storages.create_for(daemons.file)
    return daemons


@pytest.fixture
def daemon(configured: Daemons) -> subprocess.Popen[str]:
    log = Path(configured.folder / "log")
    with log.open("wb") as written:
        words = ("--config", str(configured.file), "daemon")
        started = forks.start(*words, stdout=subprocess.DEVNULL, stderr=written)
    configured.started.append(started)
    return started


def test_a_due_plan_is_backed_up(
    configured: Daemons, daemon: subprocess.Popen[str], database: Database
) -> None:
    def succeeded() -> bool:
        return any(record.status is Status.SUCCEEDED for record in configured.records("shop"))

    until(succeeded, "a success")
    record = next(r for r in configured.records("shop") if r.status is Status.SUCCEEDED)
    assert (record.trigger, record.database) == ("schedule", database.name)
    assert record.scheduled_for is not None
    assert record.location is not None
    assert (configured.folder / "store" / record.location / "backup.json").exists()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(DEADLINE) == 0
    assert {r.status for r in configured.records("shop")} <= {
        Status.SUCCEEDED,
        Status.INTERRUPTED,
        Status.MISSED,
    }
    # The child's own structured lines are in the daemon's log.
    assert f"backup={record.id}" in configured.log()
