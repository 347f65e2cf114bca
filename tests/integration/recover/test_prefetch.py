"""restore-wal.sh as PostgreSQL calls it: what it unpacks ahead is right, bounded, and gone in the end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pgbackstop_runner.recover import server_settings
from tests.integration.recover.prefetching import (
    AHEAD,
    COUNT,
    PACK,
    SHELLS,
    SIZE,
    Asker,
    an_asker,
    cared_for,
    content,
    fill,
    name_of,
)
from tests.support import backups, places


@pytest.fixture(scope="module")
def archive() -> Iterator[Path]:
    """An archive by lz4, which nobody changes."""
    folder = places.make()
    fill(folder, ".lz4")
    yield folder
    places.remove(folder)


@pytest.fixture
def asker(tmp_path: Path, archive: Path) -> Iterator[Asker]:
    with cared_for(an_asker(tmp_path, archive)) as new:
        yield new


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Asker]:
    """With an archive of its own, to be damaged."""
    fill(tmp_path / "archive", ".lz4")
    with cared_for(an_asker(tmp_path, tmp_path / "archive")) as new:
        yield new


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_segment_once_and_right(tmp_path: Path, suffix: str, shell: str) -> None:
    fill(tmp_path / "archive", suffix)
    with cared_for(an_asker(tmp_path, tmp_path / "archive", shell)) as asker:
        taken = 0
        for number in range(1, COUNT + 1):
            taken += name_of(number) in asker.ready()
            asker.gets(number)
            assert len(asker.ready()) <= AHEAD
            if number % 5 == 0:
                asker.idle()
        assert taken > 0, "nothing was unpacked ahead"
        assert asker.ask(name_of(COUNT + 1)) == (1, None, "")
        asker.idle()
        (spool,) = asker.spools()
        assert spool.stat().st_mode & 0o777 == 0o700
        end = server_settings.fetching(asker.data / server_settings.SCRIPT, asker.archive, SIZE)[
            "recovery_end_command"
        ]
        subprocess.run(["/bin/sh", "-c", end], cwd=asker.data, check=True)
        assert asker.spools() == []


def test_the_window_is_full_and_no_fuller(asker: Asker) -> None:
    asker.gets(3)
    asker.idle()
    assert asker.ready() == [name_of(number) for number in range(4, 4 + AHEAD)]


def test_one_in_progress_is_waited_for_and_not_unpacked_twice(asker: Asker) -> None:
    asker.slow(first=1)
    asker.gets(1)
    backups.until(lambda: bool(list(asker.spools()[0].glob(f"{name_of(2)}.*.part"))), "its unpacking")
    with asker.start(name_of(2)) as waiting:
        backups.until(lambda: bool(psutil.Process(waiting.pid).children()), "the wait for it")
        assert waiting.poll() is None
        asker.go()
        assert waiting.wait(backups.PATIENCE) == 0
    assert (asker.data / "pg_wal" / "RECOVERYXLOG").read_bytes() == content(2)
    asker.idle()
    calls = (asker.folder / "calls").read_text()
    assert calls.count(name_of(2)) == 1


@pytest.mark.parametrize("how", ["cut off", "changed", "short", "empty"])
def test_a_damaged_segment_is_never_given(own: Asker, how: str) -> None:
    path = own.path(4)
    whole = path.read_bytes()
    short = subprocess.run(PACK[".lz4"], input=content(4)[:-1], stdout=subprocess.PIPE, check=True).stdout
    changed = whole[:200] + bytes(byte ^ 255 for byte in whole[200:300]) + whole[300:]
    path.write_bytes({"cut off": whole[:-9], "changed": changed, "short": short, "empty": b""}[how])
    own.gets(1)
    own.idle()
    assert name_of(4) not in own.ready()
    own.gets(2)
    own.gets(3)
    status, found, said = own.ask(name_of(4))
    assert (status, found) == (126, None)
    assert said.startswith("restore-wal.sh: ")
    path.write_bytes(whole)
    own.gets(4)
    own.idle()
    assert not [path for path in own.spool() if path.name.endswith(".part")]


@pytest.mark.parametrize("place", ["complete", "receiving"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_segment_without_an_end_does_not_fill_the_disk(tmp_path: Path, shell: str, place: str) -> None:
    """A few bytes unpack to as many as somebody wants; the tool tells what it could write of them."""
    archive, name = tmp_path / "archive", name_of(1)
    fill(archive, ".lz4", count=1)
    if place == "receiving":
        (archive / "receiving").mkdir()
        next((archive / name[:16]).iterdir()).rename(archive / "receiving" / f"{name}.lz4.partial")
    with cared_for(an_asker(tmp_path, archive, shell)) as asker:
        tool = tmp_path / "bin" / "lz4"
        tool.parent.mkdir()
        endless = f"head -c {64 * SIZE} /dev/zero"
        tool.write_text(f"#!/bin/sh\n{endless}\ns=$?\necho $s >>{tmp_path}/written\nexit $s\n")
        tool.chmod(0o755)
        status, found, said = asker.ask(name)
        assert (status, found) == (126, None)
        assert "restore-wal.sh: cannot " in said
        assert "0" not in (tmp_path / "written").read_text().split()
        assert asker.unpacked() == []


@pytest.mark.parametrize(
    ("hidden", "name"),
    [
        (name_of(1)[:16], name_of(1)),
        ("receiving", name_of(COUNT + 1)),
        ("aside", name_of(COUNT + 1)),
        ("incoming", "00000002.history"),
    ],
)
def test_what_cannot_be_looked_into_is_not_the_end_of_the_wal(own: Asker, hidden: str, name: str) -> None:
    """A server that was told so would come up without its last commits."""
    folder = own.archive / hidden
    folder.mkdir(exist_ok=True)
    before = own.ask(name)[0]
    away = folder.rename(folder.with_name("away"))
    folder.symlink_to("/nowhere/mounted")  # what the mode of a folder refuses, it does not refuse to root
    status, found, said = own.ask(name)
    assert (status, found) == (126, None)
    assert f"restore-wal.sh: {folder} cannot be looked into" in said
    folder.unlink()
    away.rename(folder)
    assert own.ask(name)[0] == before == int(name != name_of(1))


def test_what_a_killed_unpacking_left_is_not_given(asker: Asker) -> None:
    asker.slow(first=1)
    asker.gets(1)
    backups.until(lambda: len(list(asker.spools()[0].glob("*.part"))) == 2, "both lanes")
    asker.kill()
    asker.idle()
    left = list(asker.spools()[0].glob("*.part"))
    assert len(left) == 2
    asker.go()
    for number in range(2, 6):
        asker.gets(number)
    asker.idle()
    asker.gets(20)
    asker.idle()
    assert not any(path.exists() for path in left)


def test_a_shutdown_ends_the_background_and_leaves_no_half(asker: Asker) -> None:
    """PostgreSQL signals the group of the startup process, of which all of this is a part."""
    asker.slow(first=1)
    with asker.start(name_of(1)) as process:
        assert process.wait(backups.PATIENCE) == 0
    backups.until(lambda: len(list(asker.spools()[0].glob("*.part"))) == 2, "both lanes")
    os.killpg(process.pid, signal.SIGTERM)
    asker.idle()
    assert [path.name for path in asker.spool()] == ["lane.0", "lane.1"]


def test_a_server_that_is_gone_ends_the_background(asker: Asker) -> None:
    asker.slow(first=1)
    asker.gets(1)
    backups.until(lambda: len(list(asker.spools()[0].glob("*.part"))) == 2, "both lanes")
    (asker.data / "postmaster.pid").unlink()
    asker.go()
    asker.idle()
    assert asker.ready() == [name_of(2), name_of(3)]


def test_the_end_of_a_recovery_while_something_is_unpacked(asker: Asker) -> None:
    asker.slow(first=1)
    asker.gets(1)
    backups.until(lambda: len(list(asker.spools()[0].glob("*.part"))) == 2, "both lanes")
    subprocess.run(
        ["/bin/sh", asker.data / server_settings.SCRIPT, "clean", "pg_wal"], cwd=asker.data, check=True
    )
    assert asker.spools() == []
    asker.go()
    asker.idle()
    assert asker.spools() == []


def test_an_earlier_start_is_swept(asker: Asker) -> None:
    asker.gets(1)
    asker.idle()
    (before,) = asker.spools()
    left = asker.data / "pg_wal" / "pgbackstop-old.123"
    left.mkdir()  # as a sweep leaves it that is killed on its way
    (left / name_of(9)).touch()
    asker.says_it_runs(started=2)
    asker.gets(1)
    asker.idle()
    (after,) = asker.spools()
    assert after not in {before, left}


@pytest.mark.parametrize("name", ["RECOVERYXLOG.pgbackstop", "RECOVERYXLOG.pgbackstop.123"])
def test_what_an_orphan_still_writes_to_is_not_given(asker: Asker, name: str) -> None:
    with (asker.data / "pg_wal" / name).open(
        "wb"
    ) as orphan:  # of a server that was killed, and started again
        with asker.start(name_of(1)) as process:
            assert process.wait(backups.PATIENCE) == 0
        brought = asker.data / "pg_wal" / "RECOVERYXLOG"
        assert brought.stat().st_ino != os.fstat(orphan.fileno()).st_ino
        assert brought.read_bytes() == content(1)
        assert not list(brought.parent.glob("RECOVERYXLOG.*"))


def test_without_a_server_nothing_is_unpacked_ahead(asker: Asker) -> None:
    (asker.data / "postmaster.pid").unlink()
    asker.gets(1)
    assert asker.spools() == []


def test_two_servers_have_nothing_in_common(asker: Asker, tmp_path: Path) -> None:
    with cared_for(an_asker(tmp_path / "other", asker.archive)) as other:
        for number in range(1, 9):
            for each in (asker, other):
                each.idle()  # what is ready then does not depend on who was faster
                each.gets(number)
        for each in (asker, other):
            each.idle()
            assert each.ready() == [name_of(number) for number in range(9, 9 + AHEAD)]


def test_another_timeline_does_not_meet_what_the_first_left(own: Asker) -> None:
    own.gets(1)
    own.idle()
    for number in range(5, 30):
        source = own.path(number)
        place = own.archive / name_of(number, timeline=2)[:16] / f"{name_of(number, timeline=2)}.lz4"
        place.parent.mkdir(exist_ok=True)
        source.rename(place)
    for number in range(2, 5):
        own.gets(number)
    for number in range(5, 20):
        own.idle()
        assert own.ask(name_of(number, timeline=2)) == (0, content(number), "")
    own.idle()
    assert own.ready() == [name_of(number, timeline=2) for number in range(20, 30)]
