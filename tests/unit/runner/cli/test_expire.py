"""`pgbackstop expire` and `copy` as programs: what they print, and their exit codes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, forks
from tests.support.factories import DAY, NOW
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
    return forks.run("--config", str(opened.file), *arguments)


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


def test_a_removed_plan_is_named_until_a_person_lets_it_go(opened: Workspace) -> None:
    """No retention looks at it: it was renamed, or taken out of the configuration."""
    (new,) = places.days(opened, 1)
    old = [places.stored(opened, each) for each in removed(3)]
    copied = opened.config.folder("second").path / str(old[0].location)
    shutil.copytree(places.folder_of(opened, old[0]), copied)
    copy = Copy.of(old[0], "second", started_at=NOW)
    opened.catalog.put(copy.evolve(status=Status.SUCCEEDED, finished_at=NOW))
    said = pgbackstop(opened, "expire")
    assert said.returncode == 0
    assert "Plan old-name is not in the configuration, and keeps 3 backups (30 B)." in said.stdout
    assert f"expire --removed-plan {old[0].plan}" in said.stdout
    unasked = pgbackstop(opened, "expire", "--removed-plan", "old-name")
    assert unasked.returncode == 2
    assert "Give --yes." in unasked.stderr
    dry = pgbackstop(opened, "expire", "--removed-plan", "old-name", "--dry-run")
    assert dry.returncode == 0
    assert all(places.folder_of(opened, each).exists() for each in old)
    done = pgbackstop(opened, "expire", "--removed-plan", "old-name", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert {each["id"] for each in json.loads(done.stdout)} == {each.id for each in old}
    assert not any(places.folder_of(opened, each).exists() for each in old)
    assert not any(path.is_file() for path in copied.rglob("*"))
    assert all(opened.catalog.backup(each.id).expired_at for each in old)
    assert places.folder_of(opened, new).exists()
    assert "old-name" not in pgbackstop(opened, "expire").stdout


def removed(count: int) -> list[Backup]:
    """Of a plan that no configuration has."""
    return [factories.backup(900 + number, NOW - number * DAY, plan="old-name") for number in range(count)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--removed-plan", "main-logical", "--yes"], 2, "Plan main-logical is in the configuration"),
        (["--removed-plan", "nothing", "--yes"], 7, "no backup of a plan 'nothing'"),
        (["main-logical", "--removed-plan", "old-name", "--yes"], 2, "exclude each other"),
    ],
)
def test_only_what_is_no_plan_is_let_go(opened: Workspace, words: list[str], code: int, said: str) -> None:
    (kept,) = places.days(opened, 1)
    done = pgbackstop(opened, "expire", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert places.folder_of(opened, kept).exists()
