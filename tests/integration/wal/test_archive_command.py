"""The shell script as archive_command of a real server, and what it refuses."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_runner.wal import archive_command
from tests.integration.wal import receiver as receivers
from tests.integration.wal.conftest import MakeRig
from tests.integration.wal.receiver import Receiver, wait_for
from tests.support import accounts, places
from tests.support.fixtures import MakeServer

NAME = "000000010000000000000007"
TESTERS = {"lz4": ["lz4", "-tq"], "zstd": ["zstd", "-tq"]}
SUFFIXES = {"lz4": ".lz4", "zstd": ".zst", "none": ""}


@pytest.fixture
def archive() -> Iterator[Path]:
    """An archive's folder with a blank in its name, and the script in it."""
    folder = places.make() / "the archive"
    archive_command.install(folder)
    (folder / "incoming").mkdir()
    yield folder
    places.remove(folder.parent)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A file as large as a segment."""
    path = tmp_path / "segment"
    path.write_bytes(b"wal " * 2**22)
    return path


def push(archive: Path, segment: Path, name: str = NAME, how: str = "lz4") -> tuple[int, str]:
    """Run the script as the server would: exit status and last words."""
    words = ["sh", str(archive / archive_command.SCRIPT_NAME), how, str(archive), str(segment), name]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return answer.returncode, answer.stderr


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("how", ["lz4", "zstd", "none"])
def test_a_segment_is_stored_whole(archive: Path, segment: Path, how: str) -> None:
    assert push(archive, segment, how=how) == (0, "")
    assert contents(archive / "incoming") == [NAME + SUFFIXES[how]]
    stored = archive / "incoming" / (NAME + SUFFIXES[how])
    assert stored.stat().st_mode & 0o777 == 0o600
    if how in TESTERS:
        subprocess.run([*TESTERS[how], stored], check=True)


@pytest.mark.parametrize("place", ["incoming", NAME[:16]])
def test_the_same_content_again_is_success(archive: Path, segment: Path, place: str) -> None:
    (archive / place).mkdir(exist_ok=True)
    push(archive, segment, how="zstd")
    (archive / "incoming" / f"{NAME}.zst").rename(archive / place / f"{NAME}.zst")
    before = (archive / place / f"{NAME}.zst").read_bytes()
    assert push(archive, segment) == (0, "")
    assert contents(archive / place) == [f"{NAME}.zst"]
    assert (archive / place / f"{NAME}.zst").read_bytes() == before


@pytest.mark.parametrize("place", ["incoming", NAME[:16]])
def test_other_content_is_never_success(archive: Path, segment: Path, place: str) -> None:
    (archive / place).mkdir(exist_ok=True)
    push(archive, segment)
    (archive / "incoming" / f"{NAME}.lz4").rename(archive / place / f"{NAME}.lz4")
    before = (archive / place / f"{NAME}.lz4").read_bytes()
    segment.write_bytes(b"law " * 2**22)
    status, words = push(archive, segment)
    assert status == 1
    assert "other content" in words
    assert (archive / place / f"{NAME}.lz4").read_bytes() == before
    assert contents(archive / place) == [f"{NAME}.lz4"]


def test_a_damaged_copy_is_no_success(archive: Path, segment: Path) -> None:
    push(archive, segment)
    stored = archive / "incoming" / f"{NAME}.lz4"
    stored.write_bytes(stored.read_bytes()[:-1000])
    status, words = push(archive, segment)
    assert status == 1
    assert "cannot be read" in words


def test_history_files_stay_readable(archive: Path, tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.write_text("1\t0/3000000\tno recovery target specified\n")
    assert push(archive, history, "00000002.history") == (0, "")
    assert (archive / "incoming" / "00000002.history").read_text() == history.read_text()
    label = tmp_path / "label"
    label.write_text("START WAL LOCATION: 0/7000028\n")
    assert push(archive, label, f"{NAME}.00000028.backup") == (0, "")
    assert contents(archive / NAME[:16]) == [f"{NAME}.00000028.backup.lz4"]


def test_what_it_refuses(archive: Path, segment: Path) -> None:
    for words in (("../../etc/passwd", "lz4"), (NAME, "gzip"), ("", "lz4")):
        status, _ = push(archive, segment, *words)
        assert status == 1
    assert push(archive, segment.with_name("absent"))[0] == 1
    assert contents(archive / "incoming") == []
    (archive / "incoming").rmdir()
    status, words_ = push(archive, segment)
    assert status == 1
    assert "mount the archive" in words_
    assert not (archive / "incoming").exists()


@pytest.mark.root
def test_a_full_disk_is_no_success_and_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    segment = tmp_path / "segment"
    segment.write_bytes(os.urandom(2**24))
    incoming = archive / "incoming"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", incoming], check=True)
    try:
        status, words = push(archive, segment)
        assert status == 1
        assert "cannot be written" in words
        assert contents(incoming) == []
        subprocess.run(["mount", "-o", "remount,size=64m", incoming], check=True)
        assert push(archive, segment)[0] == 0
        assert contents(incoming) == [f"{NAME}.lz4"]
    finally:
        subprocess.run(["umount", "--lazy", incoming], check=True)


@pytest.fixture
def commanded(make_rig: MakeRig, make_server: MakeServer) -> Receiver:
    """A server that archives with the shipped script, set up by what the command line prints."""
    receiver = make_rig(make_server(settings={"archive_mode": "on"}), method="archive_command")
    printed = receiver.command("wal", "archive-command", "main")
    assert printed.returncode == 0
    catalog = receiver.folder / "catalog"  # stays with the account that the receiver runs as
    for path in (receiver.folder, *receiver.folder.rglob("*")):
        if not path.is_relative_to(catalog):
            accounts.unprivileged().own(path)
    with (receiver.server.data / "postgresql.conf").open("a") as conf:
        conf.write(printed.stdout)
    receiver.server.execute("select pg_reload_conf()")
    return receiver


def archived_by_server(receiver: Receiver, name: str) -> None:
    """Wait for the server's own view; the script then has the segment in the archive."""
    query = "select coalesce(last_archived_wal, '') from pg_stat_archiver"
    wait_for("the server archived it", lambda: str(receiver.server.execute(query)[0][0]) >= name)


def archives_by(receiver: Receiver, command: str) -> None:
    """Let another command archive from now on."""
    receiver.server.execute(f"alter system set archive_command = '{command}'")
    receiver.server.execute("select pg_reload_conf()")
    wait_for("the setting", lambda: receiver.server.execute("show archive_command") == [(command,)])


def test_a_server_archives_and_the_receiver_indexes(commanded: Receiver) -> None:
    server = commanded.server
    server.execute("create table heartbeat (id int)")
    base = receivers.base_backup(server, commanded.folder)
    server.execute("insert into heartbeat select generate_series(1, 100)")
    last = commanded.fill(3)
    archived_by_server(commanded, last)
    commanded.start()
    commanded.arrived(last)
    state = commanded.streaming()
    assert state.method == "archive_command"
    assert state.last_segment == last
    last = commanded.fill()  # a moment is known by the first segment that ends after a sample
    state = commanded.until("a moment is known", lambda state: state.recoverable_until is not None)
    assert state.gaps == ()
    assert server.execute("select count(*) from pg_replication_slots") == [(0,)]
    commanded.stop()
    commanded.whole()
    server.kill()
    with receivers.recovered(server, base, commanded.archive) as found:
        assert found.execute("select count(*) from heartbeat") == [(100,)]


@pytest.mark.parametrize("is_late", [True, False])
def test_what_the_server_still_has_to_send_is_no_gap(commanded: Receiver, is_late: bool) -> None:
    """After a crash the archiver sends out of order; what it has sent, and is not here, is lost."""
    archives_by(commanded, "false")
    last = commanded.fill(4)
    names = [f"{int(last, 16) - behind:024X}" for behind in (3, 2, 1, 0)]
    pg_wal = commanded.server.data / "pg_wal"
    for name in (names[0], names[1], names[3]):
        assert push(commanded.archive, pg_wal / name, name) == (0, "")
    commanded.start()
    state = commanded.until("the newest is here", lambda state: state.last_segment == last)
    assert state.gaps == ()
    if is_late:
        assert push(commanded.archive, pg_wal / names[2], names[2]) == (0, "")
        commanded.until("the late one is here", lambda _state: names[2] in commanded.segments())
    else:
        status = pg_wal / "archive_status" / names[2]
        status.with_name(f"{names[2]}.ready").rename(status.with_name(f"{names[2]}.done"))
    commanded.stop()
    commanded.start()
    state = commanded.until(
        "it looked again", lambda state: state.pid == commanded.pid and state.last_segment
    )
    if is_late:
        assert state.gaps == ()
        assert "WAL is missing" not in commanded.errors.read_text()
    else:
        state = commanded.until("the gap", lambda state: state.gaps)
        assert [gap.first for gap in state.gaps] == [names[2]]


def test_a_failing_command_is_said(commanded: Receiver) -> None:
    archives_by(commanded, "false")
    commanded.start()
    commanded.streaming()
    commanded.fill()
    state = commanded.until("it is said", lambda state: state.status == "down")
    assert "archive_command fails" in state.message
    commanded.server.execute("alter system reset archive_command")
    commanded.server.execute("select pg_reload_conf()")
    commanded.until("it works again", lambda state: state.status == "streaming" and not state.message)


def test_a_command_that_archives_nothing_is_found_out(commanded: Receiver) -> None:
    commanded.pauses = {"pgbackstop_runner.wal.archiver_check.GRACE": 2.0}
    archives_by(commanded, "true")
    commanded.start()
    commanded.streaming()
    name = commanded.fill()
    state = commanded.until("it is found out", lambda state: state.status == "down")
    assert f"The server believes that {name} is archived" in state.message
