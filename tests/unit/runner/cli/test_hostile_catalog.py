"""What lies in the catalog and is no record: every command goes on without it, and says so."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Log
from pgbackstop_runner import main
from pgbackstop_runner.daemon import state_file
from pgbackstop_runner.daemon.planner import Planner
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.unit.runner import places


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    made = places.workspace(tmp_path)
    made.file.write_text("servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n")
    return made


def pgbackstop(opened: Workspace, *arguments: str) -> Result:
    try:
        return CliRunner().invoke(main.app, ["--config", str(opened.file), *arguments])
    finally:
        structlog.reset_defaults()  # an operation logs to the stream that ends with this call


def _root(opened: Workspace) -> Path:
    return opened.config.catalog_folder()


def _record(opened: Workspace, **changes: Any) -> str:
    record = factories.backup(9, factories.NOW)
    opened.catalog.put(record)
    path = _root(opened) / "backups" / record.plan / f"{record.id}.json"
    document = json.loads(path.read_text())
    path.unlink()
    return json.dumps({**document, **changes})


FIRST, LAST = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
DEEP = '{"a": ' * 60_000 + "1" + "}" * 60_000
SPOIL: dict[str, Callable[[Workspace, Path], object]] = {
    "deep": lambda _, path: path.write_text(DEEP),
    "deep lists": lambda _, path: path.write_text("[" * 60_000),
    "a pipe": lambda _, path: os.mkfifo(path),
    "a folder": lambda _, path: path.mkdir(),
    "a device": lambda _, path: path.symlink_to("/dev/zero"),
    "a circle": lambda _, path: path.symlink_to(path),
    "year 9999": lambda opened, path: path.write_text(_record(opened, started_at=LAST)),
    "year 1": lambda opened, path: path.write_text(_record(opened, finished_at=FIRST)),
    "no number": lambda opened, path: path.write_text(_record(opened, duration_seconds=float("nan"))),
    "a large number": lambda opened, path: path.write_text(_record(opened, size_bytes=10**400)),
}  # fmt: skip
COMMANDS = (
    ["list"], ["list", "--json"], ["list", "--drills"], ["show", "{id}"], ["window"], ["wal", "status"],
    ["expire", "--dry-run"], ["verify", "{id}"], ["copy", "{id}"],
)  # fmt: skip


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_one_damaged_record(opened: Workspace, spoil: Callable[[Workspace, Path], object]) -> None:
    good = places.stored(opened, factories.backup(1, datetime.now(UTC) - timedelta(hours=1)))
    for kind, name in (
        ("backups", "20261122T000000Z-00000f.json"),
        ("copies", f"{good.id}@disk.json"),
        ("proofs", "20261122T000000Z-00000f.json"),
        ("tallies", "../main-logical.json"),
    ):
        path = _root(opened) / kind / "main-logical" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        spoil(opened, path)
    for command in COMMANDS:
        done = pgbackstop(opened, *(each.format(id=good.id) for each in command))
        assert done.exception is None or isinstance(done.exception, errors.PgbackstopError | SystemExit), (
            command
        )
        assert done.exit_code in {0, 1, 2}, (command, done.exception)
    assert good.id in pgbackstop(opened, "list").stdout


@pytest.mark.parametrize("stray", ["lost+found", ".snapshot", "@eaDir", "a b"])
def test_a_stray_folder(opened: Workspace, stray: str) -> None:
    good = places.stored(opened, factories.backup(1, datetime.now(UTC) - timedelta(hours=1)))
    for kind in ("backups", "copies", "proofs", "restores"):
        (_root(opened) / kind / stray).mkdir(parents=True)
        (_root(opened) / kind / stray).chmod(0)
    assert opened.catalog.plans() == ("main-logical",)
    assert pgbackstop(opened, "list").exit_code == 0
    assert [each.id for each in opened.catalog.backups()] == [good.id]


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_the_daemon_begins(opened: Workspace, spoil: Callable[[Workspace, Path], object]) -> None:
    places.stored(opened, factories.backup(1, datetime.now(UTC) - timedelta(hours=1)))
    log.configure(Log())  # a command of another test may have written to a stream that is closed now
    (_root(opened) / "state").mkdir()
    for name in ("state/scheduler.json", "backups/main-logical/20261122T000000Z-00000f.json"):
        spoil(opened, _root(opened) / name)
    assert state_file.load(opened.state).first_seen == {}
    found = Planner.begin(opened, lambda _record: None, datetime.now(UTC))
    assert set(found.states) == {"main-logical", "main-physical"}
