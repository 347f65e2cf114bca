"""Locks that the kernel releases."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.system import locks
from tests.support.backups import until

HOLDER = """
import sys, time
from pathlib import Path
from pgbackstop_runner.system import locks
with locks.held(Path(sys.argv[1]), "plan-p", "it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_held_once(tmp_path: Path) -> None:
    with locks.held(tmp_path, "plan-p", "A backup of plan p"):
        assert locks.is_held(tmp_path, "plan-p")
        assert not locks.is_held(tmp_path, "plan-q")
        with (
            pytest.raises(errors.Busy, match=rf"plan p is already running \(process {os.getpid()} on "),
            locks.held(tmp_path, "plan-p", "A backup of plan p"),
        ):
            pytest.fail("held twice")
    assert not locks.is_held(tmp_path, "plan-p")


def test_a_holder_without_a_word(tmp_path: Path) -> None:
    with locks.held(tmp_path, "plan-p", "A backup of plan p"):
        (tmp_path / "locks" / "plan-p.lock").write_bytes(b"")
        with (
            pytest.raises(errors.Busy, match=r"plan p is already running\."),
            locks.held(tmp_path, "plan-p", "A backup of plan p"),
        ):
            pytest.fail("held twice")


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert locks.is_held(tmp_path, "plan-p")
        process.kill()
    until(lambda: not locks.is_held(tmp_path, "plan-p"), "the lock")


def test_many_may_lease(tmp_path: Path) -> None:
    name = "lease-20261122T020000Z-5f3a9c"
    with locks.lease(tmp_path, name.partition("-")[2]), locks.lease(tmp_path, name.partition("-")[2]):
        assert locks.is_held(tmp_path, name)
    assert not locks.is_held(tmp_path, name)


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where the folder should be")
    with (
        pytest.raises(errors.CatalogError, match="The catalog cannot be written"),
        locks.held(tmp_path, "plan-p", "it"),
    ):
        pytest.fail("held")
