"""At a terminal times are the person's own, with their zone; programs get UTC, and so does who asks."""

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support import storages, terminal
from tests.support.factories import at, instant

ZONE = "Asia/Kathmandu"  # a quarter of an hour beside the others
PROGRAM = [sys.executable, "-m", "pgbackstop_runner.main"]
CONFIG = "servers: {main: {}}\nstorages: {disk: {path: store}}\n"
MADE = instant(at(1), plan="shop")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    storages.catalog(tmp_path / "store" / "catalog").put(MADE)
    return tmp_path


def seen(folder: Path, *arguments: str) -> str:
    environment = {"TERM": "xterm", "TZ": ZONE}
    status, said = terminal.watched([*PROGRAM, *arguments], cwd=folder, env=environment)
    assert status == 0, said
    return said


def test_a_person_reads_times_of_where_they_are(folder: Path) -> None:
    assert MADE.finished_at is not None
    utc = f"{MADE.finished_at:%Y-%m-%d %H:%M:%S}"
    own = f"{MADE.finished_at.astimezone(ZoneInfo(ZONE)):%Y-%m-%d %H:%M:%S} +0545"
    for said in (seen(folder, "list"), seen(folder, "show", MADE.id)):
        assert own in said
        assert utc not in said
    asked = seen(folder, "--utc", "list")
    assert utc in asked
    assert "FINISHED (UTC)" in asked
    assert f"{utc} UTC" in seen(folder, "--utc", "show", MADE.id)


def test_a_pipe_has_utc(folder: Path) -> None:
    argv = [*PROGRAM, "list"]
    env = {"TZ": ZONE, "PATH": "/usr/bin"}
    said = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, env=env).stdout
    assert f"{MADE.finished_at:%Y-%m-%d %H:%M:%S}" in said
    assert "FINISHED (UTC)" in said
