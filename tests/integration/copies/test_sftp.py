"""Copies on a real SFTP server: what happens when it fails, and what is left there."""

import io
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.storage import SftpStorage
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage import identity, retries, sftp_session
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.storage.sftp import SftpStore
from pgbackstop_runner.system import workers
from tests.integration.copies.lost_host import Writer, a_host, empty_host, now, recovered
from tests.support import backups, sftp_server
from tests.support import places as nested
from tests.support.cut_connections import Cutter
from tests.support.factories import NOW
from tests.support.sftp_server import SftpServer
from tests.unit.runner import places

ROWS = "select n, at, content from ledger order by n"


@pytest.fixture
def storage(sftp: SftpServer, tmp_path: Path) -> SftpStorage:
    return sftp.storage(f"files/{tmp_path.name}")


@pytest.fixture
def store(storage: SftpStorage) -> SftpStore:
    return SftpStore.connect("offsite", storage)


@pytest.fixture
def alone() -> Iterator[SftpServer]:
    """A server that a test may stop."""
    if reason := sftp_server.missing():
        pytest.skip(reason)
    with sftp_server.running() as server:
        yield server


def test_folders_nested_without_end_cost_themselves(store: SftpStore, storage: SftpStorage) -> None:
    store.put_bytes(b"x", "main/backup.json")
    folder = Path(storage.folder, "main")
    nested.nest(folder)
    try:
        assert list(store.files("main")) == [("main/backup.json", 1)]
    finally:
        nested.remove_nest(folder)


def test_a_copy_is_made_and_expires(storage: SftpStorage, sftp: SftpServer, tmp_path: Path) -> None:
    opened = places.workspace(tmp_path, copies=("offsite",), storages={"offsite": storage.model_dump()})
    identity.create(opened, "offsite")
    old = places.days(opened, 2)[1]
    assert {each.status for each in run.run(opened, "main-logical")} == {Status.SUCCEEDED}
    root = Path(storage.folder)
    kept = [each.location for each in opened.catalog.backups() if each.id != old.id]
    assert (root / str(old.location) / "shop.backup").is_file()
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert not (root / str(old.location)).exists()
    assert all((root / str(location) / "backup.json").is_file() for location in kept)


def test_everything_that_reached_it_comes_back(storage: SftpStorage) -> None:
    """The host is lost; an empty one recovers the server from the SFTP server alone."""
    with a_host(storage) as host:
        writer = Writer(host.primary.server)
        host.primary.receive()
        host.copy_on()
        with writer.writing():
            host.primary.backup()
            writer.more(50)
            host.primary.switch()
            writer.more(50)
            host.reaches(now(host.primary.server))
        host.lose()
        new = empty_host(host, storage)
        rebuilt = new.run("catalog", "rebuild", "--storage", "offsite")
        assert rebuilt.returncode == 0, rebuilt.stderr
        with recovered(host, new) as clone:
            rows, live = clone.execute(ROWS), host.primary.server.execute(ROWS)
    assert 100 <= len(rows) <= len(live)
    assert rows == live[: len(rows)]


def test_files_are_for_their_owner_alone(store: SftpStore, storage: SftpStorage) -> None:
    store.put(io.BytesIO(b"bytes"), "a/file", 5)
    assert Path(storage.folder, "a/file").stat().st_mode & 0o777 == 0o600
    assert Path(storage.folder, "a").stat().st_mode & 0o777 == 0o700


def test_a_server_that_says_nothing_more_is_an_error(
    alone: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the host hangs in mid-transfer; nothing of it answers, and the connection stands."""
    store = SftpStore.connect("offsite", alone.storage())
    store.put_bytes(b"", "one")
    monkeypatch.setattr(sftp_session, "SILENCE", 2.0)
    alone.signal(signal.SIGSTOP)
    with pytest.raises(StoreError, match="said nothing for 2 seconds"):
        store.put_bytes(b"", "two")
    alone.signal(signal.SIGCONT)
    monkeypatch.undo()
    store.put_bytes(b"", "two")
    assert {"one", "two"} <= {path for path, _size in store.files("")}


def test_a_connection_that_died_in_the_night_is_noticed(
    alone: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By keep-alive, while nobody asks for anything."""
    monkeypatch.setitem(sftp_session.ALONE, "keepalive_interval", 0.2)
    store = SftpStore.connect("offsite", alone.storage())
    store.put_bytes(b"", "one")
    assert store.session.is_connected
    alone.signal(signal.SIGSTOP)
    backups.until(lambda: not store.session.is_connected, "the loss to be noticed")
    alone.signal(signal.SIGCONT)


def test_a_lost_connection_is_made_again(alone: SftpServer) -> None:
    store = SftpStore.connect("offsite", alone.storage())
    store.put_bytes(b"bytes", "a/one")
    alone.drop_connections()
    backups.until(lambda: not store.session.is_connected, "the loss to be noticed")
    assert store.read("a/one") == b"bytes"


def test_a_connection_that_is_cut_in_a_file(alone: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that ends early is an error and never the file's end; what is small gets through."""
    monkeypatch.setattr(retries, "PAUSES", (0.1,))
    SftpStore.connect("offsite", alone.storage()).put(io.BytesIO(bytes(2**20)), "a/big", 2**20)
    with Cutter(("127.0.0.1", alone.port)).cutting() as address:
        port = int(address.rpartition(":")[2])
        store = SftpStore.connect("offsite", alone.storage(port=port))
        with pytest.raises(StoreError, match="a/big"), store.open("a/big", 2**20) as stream:
            stream.read()
        store.put_bytes(b"small", "a/small")
        assert store.read("a/small") == b"small"
        alone.drop_connections()  # the proxy ends with the last one


def test_a_connection_that_is_cut_once_ends_no_download(
    alone: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.1, 0.1, 0.1))
    store, content = SftpStore.connect("offsite", alone.storage()), os.urandom(2**20) * 40
    store.put(io.BytesIO(content), "a/big", len(content))
    with store.open("a/big", len(content)) as stream:
        assert stream.read(5) == content[:5]
        alone.drop_connections()
        assert stream.read() == content[5:]


def test_nobody_listens(sftp: SftpServer) -> None:
    with pytest.raises(StoreError, match="The storage offsite cannot be used") as refused:
        SftpStore.connect("offsite", sftp.storage(port=9)).mark()
    assert "\n" not in str(refused.value)


def test_what_is_not_sent_whole_leaves_nothing(store: SftpStore, storage: SftpStorage) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise StoreError("the source broke")

    store.put_bytes(b"old", "a/file")
    with pytest.raises(StoreError, match="the source broke"):
        store.put(io.BufferedReader(Broken()), "a/file", 10)
    assert [each.name for each in Path(storage.folder, "a").iterdir()] == ["file"]
    assert store.read("a/file") == b"old"


def test_other_bytes_there_are_no_copy(
    store: SftpStore, storage: SftpStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's disk returns something else than was written."""
    real = SftpStore._compare

    def damaged(self: SftpStore, there: str, *rest: Any) -> None:
        with Path(there).open("r+b") as file:
            file.write(b"X")
        real(self, there, *rest)

    monkeypatch.setattr(SftpStore, "_compare", damaged)
    with pytest.raises(StoreError, match="holds other bytes"):
        store.put(io.BytesIO(b"some bytes"), "a/file", 10)
    assert list(Path(storage.folder, "a").iterdir()) == []


def test_leftovers_of_a_day_ago_are_swept(sftp: SftpServer, storage: SftpStorage) -> None:
    first = SftpStore.connect("offsite", storage)
    first.put_bytes(b"", "a/file")
    left = [Path(storage.folder, "a", f".file.{number}.0123456789abcdef.tmp") for number in (1, 2)]
    for each in left:
        each.write_bytes(b"half")
    os.utime(left[0], (0, 0))
    first.put_bytes(b"", "a/more")
    assert [each.exists() for each in left] == [True, True]
    first.session.swept[str(left[0].parent)] -= atomic.LONGEST_WRITE  # as after a day of the same process
    first.put_bytes(b"", "a/again")
    assert [each.exists() for each in left] == [False, True]


def test_a_folder_that_may_not_be_written(store: SftpStore, storage: SftpStorage) -> None:
    store.put_bytes(b"", "mark")
    Path(storage.folder).chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied") as refused:
        store.put_bytes(b"", "other")
    assert "owner and mode" in refused.value.remedy
    Path(storage.folder).chmod(0o700)


@pytest.mark.root
def test_a_full_disk(alone: SftpServer) -> None:
    """Fault: storage full. What was there stays, and what did not fit leaves nothing."""
    full = alone.folder / "files" / "disk"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", full], check=True)
    try:
        store = SftpStore.connect("offsite", alone.storage("files/disk"))
        store.put_bytes(b"old", "file")
        with pytest.raises(StoreError, match="file") as refused:
            store.put(io.BytesIO(bytes(2**22)), "file", 2**22)
        assert "free space" in refused.value.remedy
        assert dict(store.files("")) == {"file": 3}
    finally:
        subprocess.run(["umount", "--lazy", full], check=True)


def test_an_empty_root_is_not_taken_for_a_storage_without_files(sftp: SftpServer, tmp_path: Path) -> None:
    """The server's disk is not mounted."""
    store = SftpStore.connect("offsite", sftp.storage(f"files/{tmp_path.name}"))
    with pytest.raises(StoreError, match="No such file"):
        list(store.files("backups"))
    store.put_bytes(b"", "mark")
    Path(store.storage.folder, "mark").unlink()
    with pytest.raises(StoreError, match="is empty"):
        list(store.files("backups"))


def test_forked_processes_have_connections_of_their_own(store: SftpStore) -> None:
    """A backup's databases are dumped in processes forked from one that has spoken to the storage."""
    store.put_bytes(b"", "before")
    workers.run(lambda number: store_again(store.storage).put_bytes(b"", f"of/{number}"), 4, at_once=2)
    assert {path for path, _size in store.files("of")} == {f"of/{number}" for number in range(4)}
    store.put_bytes(b"", "after")


def store_again(storage: SftpStorage) -> SftpStore:
    return SftpStore.connect("offsite", storage)
