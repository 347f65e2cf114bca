"""Colours of states at a terminal, and who gets none."""

import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.support import storages, terminal
from tests.support.factories import at, instant

ARGV = [sys.executable, "-m", "pgbackstop_runner.main", "list"]
CONFIG = "servers: {main: {}}\nstorages: {disk: {path: store}}\n"
RED_FAILED = "\x1b[31mfailed\x1b[0m"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    catalog = storages.catalog(tmp_path / "store" / "catalog")
    # A plan whose name is a state has no colour.
    catalog.put(instant(at(1), plan="failed", status=Status.FAILED))
    catalog.put(instant(at(2), plan="failed"))
    return tmp_path


def at_a_terminal(folder: Path, **environment: str) -> str:
    status, said = terminal.watched(ARGV, cwd=folder, env=environment)
    assert status == 0
    return said


def test_a_person_sees_states_in_colour_and_nothing_else(folder: Path) -> None:
    said = at_a_terminal(folder, TERM="xterm")
    assert said.count(RED_FAILED) == 1
    assert "\x1b[32mavailable\x1b[0m" in said
    plain = at_a_terminal(folder, TERM="xterm", NO_COLOR="1")
    for colour in ("\x1b[31m", "\x1b[32m", "\x1b[0m"):
        said = said.replace(colour, "")
    assert said == plain


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_none_gets_none(folder: Path, environment: dict[str, str]) -> None:
    assert "\x1b" not in at_a_terminal(folder, **{"TERM": "xterm", **environment})


def test_an_empty_wish_is_none(folder: Path) -> None:
    assert RED_FAILED in at_a_terminal(folder, TERM="xterm", NO_COLOR="")


def test_a_pipe_gets_none(folder: Path) -> None:
    done = subprocess.run(ARGV, cwd=folder, capture_output=True, text=True, check=True)
    assert "failed" in done.stdout
    assert "\x1b" not in done.stdout
