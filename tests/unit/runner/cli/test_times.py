"""At a terminal times are the person's own, with their zone; programs get UTC, and so does who asks."""

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pgbackstop_catalog.decisions import recovery
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.support import factories, storages, terminal
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


def watched(folder: Path, *arguments: str) -> tuple[int, str]:
    environment = {"TERM": "xterm", "TZ": ZONE}
    return terminal.watched([*PROGRAM, *arguments], cwd=folder, env=environment, columns=250)


def seen(folder: Path, *arguments: str) -> str:
    status, said = watched(folder, *arguments)
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


def test_moments_to_recover_to_are_told_in_the_zone_and_can_be_given_to_recover(folder: Path) -> None:
    storages.create_for(folder / "pgbackstop.yaml")
    ended = at(1, 2, 3)
    base = factories.physical(1, ended, start_lsn="0/2000028", stop_lsn="0/2000100", timeline=1)
    FolderCatalog(folder / "store" / "catalog").put(base)
    own = ended.astimezone(ZoneInfo(ZONE))
    code, said = watched(folder, "status")
    assert code == 1  # there is no plan
    assert f"main: can be restored to {own:%Y-%m-%d %H:%M:%S} +0545;" in " ".join(said.split())
    assert f"to {ended:%Y-%m-%d %H:%M:%S} UTC;" in " ".join(watched(folder, "--utc", "status")[1].split())
    told = seen(folder, "window")
    moment = own.isoformat(timespec="milliseconds")
    assert moment in told
    assert recovery.parse_time(moment).moment == ended
    assert "FROM (UTC)" not in told
    asked = seen(folder, "--utc", "window")
    assert "FROM (UTC)" in asked
    assert "2026-11-22T01:02:03.000Z" in asked
