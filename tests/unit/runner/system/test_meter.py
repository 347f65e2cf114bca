"""Work is counted for who watches, and for nobody else."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pgbackstop_runner.system import meter, streams
from pgbackstop_runner.system.meter import Work


class Seen:
    """A display that remembers."""

    def __init__(self) -> None:
        self.works: list[tuple[Work, ...]] = []
        self.lines: list[str] = []

    def show(self, works: tuple[Work, ...]) -> None:
        self.works.append(works)

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Work, ...]]]:
    display = Seen()
    monkeypatch.setattr(meter, "_METER", meter._Meter())
    meter.watch(display)
    yield display.works
    assert meter._METER.works == []


def test_a_smaller_piece_hides_the_larger_and_a_question_both(seen: list[tuple[Work, ...]]) -> None:
    with meter.measured("restore") as restore:
        meter.expect(100)
        meter.reached(40)
        with meter.measured("read", lambda: 7) as read:
            meter.count(3)
            meter.count(4)
        with meter.hidden():
            pass
    assert restore is not None
    assert read is not None
    assert seen == [(restore,), (read,), (restore,), (), (restore,), ()]
    assert (restore.what, restore.done, restore.total) == ("restore", 40, 100)
    assert (read.what, read.done, read.total) == ("read", 7, 7)


def test_pieces_of_two_threads_stand_beside_each_other(seen: list[tuple[Work, ...]]) -> None:
    both, counted = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def work(name: str) -> tuple[Work | None, int]:
        with meter.measured(name, lambda: 10) as mine:
            both.wait()
            meter.count(len(name))
            counted.wait()
            assert mine is not None
            return mine, mine.done

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, ["a", "bbb"]))
    assert [count for _, count in done] == [1, 3]
    assert {frozenset(each) for each in seen if len(each) == 2} == {frozenset(each for each, _ in done)}
    assert seen[-1] == ()


def test_it_ends_with_what_fails(seen: list[tuple[Work, ...]]) -> None:
    with pytest.raises(OSError, match="full"), meter.measured("dump"):
        raise OSError("full")
    assert seen[-1] == ()


@pytest.mark.usefixtures("seen")
def test_files_are_counted_while_they_are_hashed(tmp_path: Path) -> None:
    names = [f"{number}" for number in range(5)]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 3 * streams.CHUNK)
    with meter.measured("hash", lambda: 15 * streams.CHUNK) as work:
        streams.digest_tree(tmp_path, names)
    assert work is not None
    assert work.done == work.total


def test_nobody_watches_and_nothing_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "_METER", meter._Meter())
    with meter.measured("read", lambda: pytest.fail("summed for nobody")):
        meter.count(1)
        meter.reached(1)
        assert not meter.follows_reading()
