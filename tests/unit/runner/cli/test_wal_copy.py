"""`pgbackstop wal copy`, `copy` and `window` as programs, with WAL in a further storage."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import forks
from tests.unit.runner.wal.copying import Copying

CONFIG = """\
servers: {main: {}}
storages:
  disk: {path: store}
  offsite: {path: offsite}
plans:
  main-physical: {server: main, backup_type: physical, copies: [offsite]}
"""


@pytest.fixture
def copying(tmp_path: Path) -> Copying:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    found = Copying(tmp_path)
    found.backup(1, 1)
    found.archived(1, 2, 3)
    return found


def pgbackstop(copying: Copying, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forks.run("--config", str(copying.workspace.file), *arguments)


@pytest.mark.parametrize("words", [("wal", "copy", "main", "--once"), ("copy",)], ids=lambda each: each[0])
def test_what_lacks_is_sent_once(copying: Copying, words: tuple[str, ...]) -> None:
    done = pgbackstop(copying, *words)
    assert done.returncode == 0, done.stderr
    assert copying.there() == [1, 2, 3]


@pytest.mark.parametrize("words", [("wal", "copy", "main", "--once"), ("copy",)], ids=lambda each: each[0])
def test_a_storage_that_cannot_be_used_is_told(copying: Copying, words: tuple[str, ...]) -> None:
    (copying.folder / "offsite").rename(copying.folder / "elsewhere")
    (copying.folder / "offsite").write_text("a file")
    done = pgbackstop(copying, *words)
    assert done.returncode == 1
    assert f"The storage {copying.folder / 'offsite'} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_one_copies_at_a_time(copying: Copying) -> None:
    with copying.workspace.state.held("wal-copy-main", "Another"):
        done = pgbackstop(copying, "wal", "copy", "main", "--once")
        assert "The copying of WAL of main is already running" in done.stderr
        assert done.returncode != 0
        assert pgbackstop(copying, "copy").returncode == 0  # that one does it


def test_a_server_whose_wal_goes_nowhere(copying: Copying) -> None:
    copying.workspace.file.write_text(CONFIG.replace("[offsite]", "[]"))
    done = pgbackstop(copying, "wal", "copy", "main")
    assert done.returncode != 0
    assert "goes to no further storage" in done.stderr


def test_the_window_has_each_storage(copying: Copying) -> None:
    pgbackstop(copying, "wal", "copy", "main", "--once")
    shown = pgbackstop(copying, "window")
    assert "If this host is lost, offsite alone recovers main to " in shown.stdout
    rows = json.loads(pgbackstop(copying, "window", "--json").stdout)
    assert [row["storage"] for row in rows] == ["disk", "offsite"]
    assert rows[0]["start"] == rows[1]["start"]
