"""A storage with a rate limit does what the other one does, and waits for what is due."""

import io
import threading
from pathlib import Path

import pytest

from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_runner.storage import open as storages
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.paced import Pace, PacedStore
from pgbackstop_runner.storage.protocol import StoreError
from tests.conformance.storage import StorageContract


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 1000.0

    def pace(self, rate: float) -> Pace:
        return Pace(rate, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestPacedStore(StorageContract):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: Clock) -> PacedStore:
        return PacedStore(inner=FolderStore(root=tmp_path / "there"), pace=clock.pace(1e6))


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> PacedStore:
    return PacedStore(inner=FolderStore(root=tmp_path / "there"), pace=clock.pace(1000))


def test_what_is_sent_and_read_takes_its_time(store: PacedStore, clock: Clock) -> None:
    content = bytes(500_000)
    store.put(io.BytesIO(content), "a/file", len(content))
    assert clock.now == pytest.approx(1500)
    with store.open("a/file", len(content)) as stream:
        assert stream.read() == content
    assert clock.now == pytest.approx(2000)
    store.put_bytes(bytes(1000), "a/small")
    store.read("a/small")
    assert clock.now == pytest.approx(2002)


def test_outside_of_its_hours_nothing_waits(clock: Clock) -> None:
    """What was free is not owed when they begin."""
    free = [True]
    pace = Pace(10, clock=lambda: clock.now, sleep=clock.sleep, holds=lambda: not free[0])
    pace.take(10**9)
    assert clock.now == 1000
    free[0] = False
    pace.take(100)
    assert clock.now == pytest.approx(1010)


def test_rest_is_not_saved_up(clock: Clock) -> None:
    pace = clock.pace(10)
    pace.take(10)
    clock.now += 3600
    before = clock.now
    pace.take(100)
    assert clock.now - before == pytest.approx(10)


def test_threads_share_one_pace() -> None:
    """Each waits for what the others have taken before it: the last one for all."""
    waits: list[float] = []
    pace = Pace(10, clock=lambda: 0.0, sleep=waits.append)
    threads = [threading.Thread(target=pace.take, args=(10,)) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(waits) == [1, 2, 3, 4, 5]


def test_the_source_stays_open_where_it_was_given(store: PacedStore) -> None:
    source = io.BytesIO(b"bytes")
    store.put(source, "a/file", 5)
    assert not source.closed


def test_what_reading_raises_is_raised(store: PacedStore) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise StoreError("the source broke")

    with io.BufferedReader(Broken()) as source, pytest.raises(StoreError, match="the source broke"):
        store.put(source, "a/file", 5)


def test_the_setting(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    storage = S3Storage(
        kind="s3",
        bucket="b",
        access_key_id_file=tmp_path / "key",
        secret_access_key_file=tmp_path / "key",
        rate_limit=10_000_000,
    )
    assert isinstance(storages.open_store("s3", storage), PacedStore)
    assert not isinstance(storages.open_store("s3", storage.evolve(rate_limit=None)), PacedStore)
    with pytest.raises(ValueError, match="greater than 0"):
        storage.evolve(rate_limit=0)
