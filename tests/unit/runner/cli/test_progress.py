"""A person at a terminal sees a bar and a line a step; a pipe and --log get the log."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pgbackstop_catalog import errors
from tests.support import storages, terminal
from tests.unit.runner import places

ARGV = [sys.executable, "-m", "pgbackstop_runner.main", "copy"]
BAR = "copy to offsite"
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backup without its copy."""
    kept = {"offsite": {"kind": "folder", "path": tmp_path / "offsite"}}
    opened = places.workspace(tmp_path, copies=("offsite",), storages=kept)
    places.days(opened, 1)
    document = {
        "servers": {"main": {}},
        "storages": {
            "disk": {"kind": "folder", "path": "store"},
            "offsite": {"kind": "folder", "path": "offsite"},
        },
        "plans": {
            "main-logical": {
                "server": "main",
                "backup_type": "logical",
                "copies": ["offsite"],
                "keep": {"last": 1, "minimum": 1},
            }
        },
    }
    (tmp_path / "pgbackstop.yaml").write_text(yaml.safe_dump(document))
    storages.create_for(tmp_path / "pgbackstop.yaml")
    return tmp_path


def test_a_person_sees_the_bar_and_then_a_line(folder: Path) -> None:
    status, said = terminal.watched(ARGV, cwd=folder, env={"TERM": "xterm"})
    assert status == 0, said
    assert BAR in said
    assert said.rindex(SHOW) > said.rindex(HIDE)
    line = re.compile(r"  copy succeeded: storage offsite, [\d.]+ \w+, in ")
    assert any(map(line.match, SEQUENCE.sub("", said.rpartition(SHOW)[2]).splitlines())), said
    assert "level=info" not in said


@pytest.mark.parametrize("columns", [20, 45])
def test_a_narrow_terminal_gets_no_line_that_breaks(folder: Path, columns: int) -> None:
    status, said = terminal.watched(ARGV, cwd=folder, env={"TERM": "xterm"}, columns=columns)
    assert status == 0, said
    drawn = said.partition(HIDE)[2].partition(SHOW)[0]
    assert drawn
    assert max(len(line) for line in re.split(r"[\r\n]+", SEQUENCE.sub("", drawn))) <= columns


def test_who_wants_no_colour_gets_the_bar_without(folder: Path) -> None:
    _, said = terminal.watched(ARGV, cwd=folder, env={"TERM": "xterm", "NO_COLOR": "1"})
    assert BAR in said
    assert not re.search(r"\x1b\[[0-9;]*[1-9][0-9;]*m", said)


@pytest.mark.parametrize(
    ("more", "environment"), [([], {"TERM": "dumb"}), ([], {}), (["--log"], {"TERM": "xterm"})]
)
def test_dumb_terminals_and_who_asks_for_it_get_the_log(
    folder: Path, more: list[str], environment: dict[str, str]
) -> None:
    status, said = terminal.watched([*ARGV, *more], cwd=folder, env=environment)
    assert status == 0, said
    assert 'level=info event="copy succeeded" ' in said
    assert HIDE not in said


def test_a_pipe_gets_the_log(folder: Path) -> None:
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(ARGV, cwd=folder, capture_output=True, text=True, check=True, env=environment)
    assert 'level=info event="copy succeeded" ' in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_json_of_a_person_is_json_alone(folder: Path) -> None:
    script = f"{sys.executable} -m pgbackstop_runner.main copy --json > out"
    status, said = terminal.watched(["sh", "-c", script], cwd=folder, env={"TERM": "xterm"})
    assert status == 0, said
    assert BAR in said
    [copy] = yaml.safe_load((folder / "out").read_text())
    assert copy["storage"] == "offsite"


def test_ctrl_c_leaves_the_terminal_as_it_was(folder: Path) -> None:
    [dump] = (folder / "store").glob("backups/**/shop.backup")
    dump.unlink()
    os.mkfifo(dump)  # whoever opens it waits for ever
    status, said = terminal.watched(ARGV, cwd=folder, env={"TERM": "xterm"}, interrupt_at=BAR)
    assert status == errors.Interrupted.exit_code
    assert said.rindex(SHOW) > said.rindex(HIDE)
    assert BAR not in said.rpartition(SHOW)[2]
    assert "Traceback" not in said
