"""`pgbackstop status`: what a person, a script, a program and Nagios are told."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.store import layout
from pgbackstop_runner import main
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY
from tests.unit.runner import places

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)
# The plans have no WAL to wait for, and run by hand whenever a test says so.
CONFIGURATION = """
servers: {main: {wal: {enabled: false}}}
storages: {disk: {kind: folder, path: store}}
plans:
  main-logical: {server: main, backup_type: logical, schedule: "0 0 1 1 *", max_age: 25h}
  main-physical: {server: main, backup_type: physical, schedule: "0 0 1 1 *", max_age: 8d}
"""
WAL: dict[str, Any] = {"start_lsn": "0/2000028", "stop_lsn": "0/2000100", "timeline": 1}
PERFDATA = re.compile(r"('[^'=|]+'|[^\s'=|]+)=-?[\d.]+(s|B)(;[\d.:~@]*){0,4}")


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIGURATION)
    return places.workspace(tmp_path)


def status(opened: Workspace, *arguments: str) -> Result:
    argv = ["--config", str(opened.file), "status", *arguments]
    return CliRunner().invoke(main.app, argv, catch_exceptions=False)


def backed_up(opened: Workspace) -> None:
    """A good backup of either plan, each proven by a drill."""
    stored = [
        places.stored(opened, factories.backup(1, NOW - 5 * MINUTE)),
        places.stored(opened, factories.physical(2, NOW - 4 * MINUTE, **WAL)),
    ]
    for each in stored:
        proof = Proof.of(each, "drill", started_at=NOW - 2 * MINUTE)
        done = {"status": Status.SUCCEEDED, "finished_at": NOW - MINUTE, "proven_until": each.finished_at}
        opened.catalog.put(proof.evolve(**done))


def test_safe(opened: Workspace) -> None:
    backed_up(opened)
    told = status(opened)
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0] == "SAFE: every plan is within its limits."
    ended = f"{NOW - 4 * MINUTE:%Y-%m-%d %H:%M:%S}"
    assert f"main: can be restored to {ended} UTC" in lines[2]
    assert f"each database with a backup as of {NOW - 5 * MINUTE:%Y-%m-%d %H:%M:%S} UTC" in lines[2]
    assert f"proven to {ended} UTC on {NOW - MINUTE:%Y-%m-%d %H:%M:%S} UTC." in lines[2]
    assert [line.split()[:3] for line in lines[5:]] == [
        ["main-logical", "shop", "ok"],
        ["main-physical", "-", "ok"],
    ]


def test_what_a_removed_plan_keeps_is_told_and_endangers_nothing(opened: Workspace) -> None:
    backed_up(opened)
    places.stored(opened, factories.backup(7, NOW - DAY, plan="old-name"))
    told = status(opened)
    assert told.exit_code == 0, told.output
    assert "Plan old-name is not in the configuration, and keeps 1 backup (10 B)." in told.stdout
    assert json.loads(status(opened, "--json").stdout)["removed_plans"] == [
        {"plan": "old-name", "backups": 1, "size_bytes": 10}
    ]


def test_nothing_yet_is_not_safe_and_only_a_warning(opened: Workspace) -> None:
    told = status(opened)
    assert told.exit_code == 1
    assert told.stdout.startswith("NOT SAFE: plan main-logical: there is no good backup yet (and 1 more).")
    assert "main: cannot be restored; not proven by a drill yet." in told.stdout
    assert status(opened, "--nagios").exit_code == 1


def test_too_old_and_failed(opened: Workspace) -> None:
    backed_up(opened)
    places.stored(opened, factories.backup(3, NOW - 2 * DAY, database="crm"))
    failed = factories.backup(4, NOW - 2 * MINUTE, database="crm", status=Status.FAILED, reason=Reason.TOOL)
    opened.catalog.put(failed)
    told = status(opened)
    assert told.exit_code == 1
    assert "NOT SAFE: plan main-logical, database crm: the newest good backup is 2d" in told.stdout
    assert "the limit is 1d1h (and 1 more).\n" in told.stdout
    assert status(opened, "--nagios").exit_code == 2


def test_a_warning_is_safe_but(opened: Workspace) -> None:
    backed_up(opened)
    opened.catalog.put(factories.backup(3, NOW - MINUTE, status=Status.FAILED, reason=Reason.TOOL))
    told = status(opened)
    assert told.exit_code == 0
    assert told.stdout.startswith("SAFE, but plan main-logical, database shop: the last attempt failed.")
    assert status(opened, "--nagios").exit_code == 1


def test_a_backup_whose_folder_is_gone(opened: Workspace) -> None:
    backed_up(opened)
    kept = next(opened.catalog.backups("main-logical"))
    shutil.rmtree(places.folder_of(opened, kept))
    told = status(opened)
    assert told.exit_code == 1
    assert "1 kept backup is not where it was stored" in told.stdout


def test_a_further_storage_that_is_not_there_is_a_warning(opened: Workspace) -> None:
    backed_up(opened)
    storages = "disk: {kind: folder, path: store}, second: {kind: folder, path: second}"
    copied = CONFIGURATION.replace("disk: {kind: folder, path: store}", storages)
    opened.file.write_text(copied.replace("backup_type: logical,", "backup_type: logical, copies: [second],"))
    told = status(opened)
    assert told.exit_code == 0
    assert told.stdout.startswith("SAFE, but no copies are made: The storage second is not there: ")
    assert "pgbackstop storage create second" in told.stdout
    assert status(opened, "--nagios").exit_code == 1
    assert json.loads(status(opened, "--json").stdout)["findings"][0]["state"] == "no copies"
    made = CliRunner().invoke(main.app, ["--config", str(opened.file), "storage", "create", "second"])
    assert made.exit_code == 0, made.output
    assert status(opened, "--nagios").exit_code == 0


def test_a_plan_that_moved_keeps_what_it_had_elsewhere(opened: Workspace) -> None:
    backed_up(opened)
    moved = CONFIGURATION.replace("path: store}", "path: store}, new: {kind: folder, path: new}")
    moved = moved.replace("backup_type: logical,", "backup_type: logical, storage: new,")
    opened.file.write_text(moved)
    made = CliRunner().invoke(main.app, ["--config", str(opened.file), "storage", "create", "new"])
    assert made.exit_code == 0, made.output
    assert status(opened).exit_code == 0


def test_a_storage_that_is_not_there_is_unknown(opened: Workspace) -> None:
    backed_up(opened)
    (opened.config.folder("disk").path / layout.STORAGE_MARK).unlink()
    (opened.config.folder("disk").path / "backups").rename(opened.file.parent / "away")
    told = status(opened)
    assert (told.exit_code, told.stdout.split(":")[0]) == (5, "NOT KNOWN"), told.stdout
    assert "the rest is not known, because" in told.stdout
    assert status(opened, "--nagios").exit_code == 3


def test_a_silent_daemon(opened: Workspace) -> None:
    backed_up(opened)
    # Not NOW: this may be run long after the module was imported.
    heard = datetime.now(UTC) - timedelta(minutes=61)
    state = SchedulerState(pid=1, host="here", started_at=NOW - DAY, heartbeat_at=heard)
    opened.state.scheduler.parent.mkdir(parents=True, exist_ok=True)
    opened.state.scheduler.write_bytes(codec.encode(state))
    told = status(opened)
    assert told.exit_code == 1
    assert told.stdout.startswith("NOT SAFE: the daemon has shown no sign of life for 1h")


def test_wal_that_nobody_receives(opened: Workspace) -> None:
    backed_up(opened)
    opened.file.write_text(CONFIGURATION.replace("enabled: false", "enabled: true"))
    assert status(opened).stdout.startswith("SAFE, but server main: no WAL was received yet.")


def test_garbage_is_told_once(opened: Workspace) -> None:
    backed_up(opened)
    (opened.state.root / "backups" / "main-physical" / "garbage.json").write_text("{")
    told = status(opened)
    assert told.stderr.count("garbage.json is no record") == 1
    assert told.stdout.startswith("SAFE, but 1 file of the catalog is no record that can be read.")


def test_json(opened: Workspace) -> None:
    backed_up(opened)
    told = status(opened, "--json")
    found = json.loads(told.stdout)
    assert (told.exit_code, found["safe"], found["severity"]) == (0, True, "ok")
    assert [each["state"] for each in found["plans"]] == ["ok", "ok"]
    assert found["plans"][0]["max_age_seconds"] == 25 * 3600
    assert found["servers"][0]["proven_until"] == found["servers"][0]["latest"]


def test_nagios_reads_the_line(opened: Workspace) -> None:
    backed_up(opened)
    places.stored(opened, factories.backup(5, NOW - 5 * MINUTE, database="it's|a=b"))
    told = status(opened, "--nagios")
    assert told.exit_code == 0
    (line,) = told.stdout.splitlines()
    text, data = line.split(" | ")
    assert text == "PGBACKSTOP OK - SAFE: every plan is within its limits."
    found = [match[0] for match in PERFDATA.finditer(data)]
    assert " ".join(found) == data
    assert [each.partition("=")[0] for each in found] == [
        f"'{name} {what}'"
        for name in ("main-logical it_s_a_b", "main-logical shop", "main-physical")
        for what in ("age", "size")
    ]
    assert ";;90000;0" in data


def test_nagios_gets_unknown_for_what_keeps_us_from_knowing(opened: Workspace) -> None:
    opened.file.write_text("plans: {a: 1}\n")
    told = status(opened, "--nagios")
    assert told.exit_code == 3
    assert told.stdout.startswith("PGBACKSTOP UNKNOWN - ")
    assert len(told.stdout.splitlines()) == 1
