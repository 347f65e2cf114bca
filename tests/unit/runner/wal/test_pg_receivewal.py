"""How pg_receivewal is started, and what its last words mean."""

import os
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.wal import pg_receivewal
from tests.unit.runner.wal import makers

SERVER = Server(user="keeper", port=5433)
SAYINGS = {
    'FATAL:  password authentication failed for user "keeper"': "password_file",
    'FATAL:  no pg_hba.conf entry for replication connection from host "10.0.0.1"': "pg_hba.conf",
    "FATAL:  must be superuser or replication role to start walsender": "ALTER ROLE keeper REPLICATION",
    "FATAL:  permission denied to start WAL sender": "ALTER ROLE keeper REPLICATION",
    "FATAL:  number of requested standby connections exceeds max_wal_senders (currently 1)": "Raise",
    'FATAL:  number of requested standby connections exceeds "max_wal_senders" (currently 1)': "Raise",
    'ERROR:  replication slot "pgbackstop" is active for PID 12': "another receiver",
    'ERROR:  replication slot "pgbackstop" does not exist': "made anew",
    "could not write 65536 bytes to WAL file: No space left on device": "Make room",
    "ERROR:  requested WAL segment 0000000100000000000000A1 has already been removed": "base backup",
    'error: could not send replication command "START_REPLICATION": \n': "followed by itself",
    'error: could not send replication command "START_REPLICATION": ERROR:  no': "ERROR:  no",
    "server closed the connection unexpectedly": "by itself",
    "something that nobody has seen": "something that nobody has seen",
    "": "it said nothing",
}


@pytest.mark.parametrize("words", SAYINGS)
def test_last_words_become_a_sentence_with_what_to_do(words: str) -> None:
    assert SAYINGS[words] in str(pg_receivewal.explain(words, SERVER))


def test_what_the_server_cannot_send_any_more_is_recognised() -> None:
    assert pg_receivewal.start_was_refused("requested WAL segment 00 has already been removed")
    assert pg_receivewal.start_was_refused(
        "requested starting point 0/5000000 on timeline 1 is not in this server's history"
    )
    assert not pg_receivewal.start_was_refused("server closed the connection unexpectedly")
    assert pg_receivewal.lacks_lz4("error: this build does not support compression with LZ4")


@pytest.fixture
def programs(tmp_path: Path) -> Binaries:
    (tmp_path / "pg_receivewal").touch(mode=0o755)
    return Binaries(folder=tmp_path, version="17.1")


@pytest.mark.parametrize(("wanted", "given"), [("lz4", "lz4"), ("zstd", "none"), ("none", "none")])
def test_its_command_line(programs: Binaries, wanted: str, given: str) -> None:
    words = pg_receivewal.arguments(SERVER, programs, Path("/archive/receiving"), wanted)  # type: ignore[arg-type]
    assert f"--compress={given}" in words
    assert "--slot=pgbackstop" in words
    assert "--no-loop" in words
    assert "password" not in " ".join(words).replace("--no-password", "")


def test_tools_without_it_are_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="no pg_receivewal"):
        pg_receivewal.arguments(SERVER, Binaries(folder=tmp_path, version="17.1"), tmp_path, "lz4")


def partial(folder: Path, number: int, size: int, timeline: int = 1) -> Path:
    path = folder / f"{makers.name(number, timeline)}.lz4.partial"
    path.write_bytes(b"p" * size)
    return path


def test_who_has_the_folder_before_open_finds_no_name_in_the_new_one(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    partial(archive.receiving, 5, 100)
    before = os.open(archive.receiving, os.O_PATH | os.O_DIRECTORY)
    try:
        pg_receivewal.renew_folder(tmp_path)
        assert [path.stat().st_size for path in archive.receiving.iterdir()] == [100]
        assert list(Path(f"/proc/self/fd/{before}").iterdir()) == []
        with pytest.raises(FileNotFoundError):
            os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=before)
    finally:
        os.close(before)


def test_what_a_crash_left_in_the_folder_before_is_found(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    partial(archive.receiving, 5, 100)
    archive.receiving.rename(tmp_path / "receiving.former")
    pg_receivewal.renew_folder(tmp_path)
    assert [path.stat().st_size for path in archive.receiving.iterdir()] == [100]
    assert not (tmp_path / "receiving.former").exists()


def test_an_unfinished_segment_is_kept_until_it_is_complete(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    aside = tmp_path / "aside"
    partial(archive.receiving, 5, 100)
    pg_receivewal.set_partial_aside(tmp_path)
    partial(archive.receiving, 5, 40)
    pg_receivewal.set_partial_aside(tmp_path)
    assert [path.stat().st_size for path in aside.iterdir()] == [100]
    partial(archive.receiving, 5, 200)
    pg_receivewal.set_partial_aside(tmp_path)
    assert [path.stat().st_size for path in aside.iterdir()] == [200]
    assert list(archive.receiving.iterdir()) == []
    pg_receivewal.drop_passed(tmp_path, Segment(timeline=1, number=4), makers.SIZE)
    assert len(list(aside.iterdir())) == 1
    partial(aside, 5, 10, timeline=2)
    pg_receivewal.drop_passed(tmp_path, Segment(timeline=1, number=5), makers.SIZE)
    assert [path.name[:8] for path in aside.iterdir()] == ["00000002"]
