"""`pgbackstop expire` and `copy` as programs: what they print, and their exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_runner.workspace import Workspace
from tests.unit.runner import places

CONFIG = """\
servers: {main: {}}
storages:
  disk: {path: store}
  second: {path: second}
plans:
  main-logical: {server: main, backup_type: logical, copies: [second], keep: {last: 1, minimum: 1}}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    second = {"second": {"kind": "folder", "path": tmp_path / "second"}}
    return places.workspace(tmp_path, storages=second)


def pgbackstop(opened: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, because an operation takes over signals and logging."""
    argv = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(opened.file), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_each_backup_with_its_fate_and_why(opened: Workspace) -> None:
    new, old = places.days(opened, 2)
    dry = pgbackstop(opened, "expire", "--dry-run")
    assert dry.returncode == 0
    lines = dry.stdout.splitlines()
    assert lines[1].startswith(new.id)
    assert lines[1].endswith("kept      last 1 of 1; one of the 1 that always stay")
    assert lines[2].startswith(old.id)
    assert lines[2].endswith("would go  no rule keeps it")
    assert places.folder_of(opened, old).exists()
    done = pgbackstop(opened, "expire", "main-logical", "--json")
    assert done.returncode == 0
    assert [(each["id"], each["kept"]) for each in json.loads(done.stdout)] == [
        (new.id, True),
        (old.id, False),
    ]
    assert not places.folder_of(opened, old).exists()


def test_what_stays_against_its_will_is_said(opened: Workspace) -> None:
    _, old = places.days(opened, 2)
    opened.catalog.put(old.evolve(location="backups"))
    done = pgbackstop(opened, "expire")
    assert done.returncode == 1
    assert f"not removed: The record of backup {old.id} names" in done.stderr


def test_an_unknown_plan_is_not_found(opened: Workspace) -> None:
    for command in ("expire", "copy"):
        done = pgbackstop(opened, command, "nope")
        assert (done.returncode, "There is no plan 'nope'" in done.stderr) == (7, True)


def test_copies_are_made_and_said(opened: Workspace) -> None:
    backup = places.days(opened, 1)[0]
    done = pgbackstop(opened, "copy")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].split()[:3] == [backup.id, "main-logical", "second"]
    assert pgbackstop(opened, "copy").stdout == "No copy is missing.\n"
    assert json.loads(pgbackstop(opened, "copy", "--json").stdout) == []


def test_a_copy_that_fails_is_exit_code_one(opened: Workspace, tmp_path: Path) -> None:
    backup = places.days(opened, 1)[0]
    (places.folder_of(opened, backup) / "shop.backup").write_text("other")
    done = pgbackstop(opened, "copy", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)[0]["status"] == "failed"
    assert not list((tmp_path / "second").rglob("backup.json"))
