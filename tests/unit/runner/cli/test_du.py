"""`pgbackstop du` as a program: what is stored where, and when a storage is full."""

import json
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_runner.workspace import Workspace
from tests.support import forks
from tests.support.factories import DAY
from tests.unit.runner import places

CONFIG = """\
servers: {main: {wal: {copies: [offsite]}}}
storages:
  disk: {path: store, reserve: 0}
  offsite: {kind: s3, bucket: backups, size_limit: 1MB}
  unknown: {kind: s3, bucket: more}
plans:
  main-logical: {server: main, backup_type: logical, copies: [offsite]}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    return places.workspace(tmp_path)


def test_bytes_by_storage_and_plan_with_wal_and_a_forecast(opened: Workspace) -> None:
    now = utc_now()
    for backup in places.days(opened, 5, until=now):
        copy = Copy.of(backup, "offsite", started_at=now - DAY).evolve(size_bytes=20_000)
        opened.catalog.put(copy.evolve(status=Status.SUCCEEDED, finished_at=backup.finished_at))
    places.archived(opened, 1, 3)
    state = opened.state.wal_copy("offsite", "main")
    state.parent.mkdir(parents=True)
    about = {"server": "main", "storage": "offsite", "status": "copying", "started_at": now}
    said = WalCopyState.model_validate({**about, "updated_at": now, "stored_bytes": 30_000, "segments": 2})
    state.write_bytes(codec.encode(said))

    done = forks.run("--config", str(opened.file), "du", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {(each["storage"], each["plan"], each["type"]): each["count"] for each in told["shares"]} == {
        ("disk", "main-logical", "logical"): 5,
        ("disk", None, "WAL"): 3,
        ("offsite", "main-logical", "logical"): 5,
        ("offsite", None, "WAL"): 2,
    }
    storages = {each["storage"]: each for each in told["storages"]}
    assert storages["offsite"]["size_bytes"] == 130_000
    assert storages["offsite"]["room_bytes"] == 870_000
    assert storages["offsite"]["growth_bytes_per_day"] == pytest.approx(20_000, rel=0.01)
    assert storages["offsite"]["days_until_full"] == pytest.approx(43.5, rel=0.01)
    assert storages["disk"]["room_bytes"] > 0
    assert (storages["unknown"]["size_bytes"], storages["unknown"]["days_until_full"]) == (0, None)

    lines = forks.run("--config", str(opened.file), "du").stdout.splitlines()
    assert any(line.split() == ["offsite", "main", "-", "WAL", "2", "30.0", "kB"] for line in lines), lines
    assert "offsite holds 130.0 kB, grows by 20.0 kB a day, has room for 870.0 kB, is full in about" in (
        "\n".join(lines)
    )
    assert lines[-1] == "unknown holds 0 B"


def test_wal_of_a_server_that_was_renamed_is_told(opened: Workspace) -> None:
    places.archived(opened, 1, 3)
    now = utc_now()
    state = opened.state.wal_copy("offsite", "main")
    state.parent.mkdir(parents=True)
    about = {"server": "main", "storage": "offsite", "status": "stopped", "started_at": now}
    said = WalCopyState.model_validate({**about, "updated_at": now, "stored_bytes": 30_000, "segments": 2})
    state.write_bytes(codec.encode(said))
    opened.file.write_text(CONFIG.replace("main:", "renamed:").replace("server: main", "server: renamed"))
    told = json.loads(forks.run("--config", str(opened.file), "du", "--json").stdout)
    assert [(each["storage"], each["server"], each["count"]) for each in told["shares"]] == [
        ("disk", "main", 3),
        ("offsite", "main", 2),
    ]


def test_where_nothing_is_stored_each_storage_says_so(opened: Workspace) -> None:
    done = forks.run("--config", str(opened.file), "du")
    assert done.returncode == 0, done.stderr
    assert "offsite holds 0 B, has room for 1.0 MB" in done.stdout
