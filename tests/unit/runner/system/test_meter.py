"""Work is counted for who watches, and for nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_runner.system import meter, streams
from pgbackstop_runner.system.meter import Work


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Work | None]]:
    shown: list[Work | None] = []
    monkeypatch.setattr(meter, "_METER", meter._Meter())
    meter.watch(shown.append)
    yield shown
    assert meter._METER.works == []


def test_a_smaller_piece_hides_the_larger_and_a_question_both(seen: list[Work | None]) -> None:
    with meter.measured("restore"):
        meter.expect(100)
        meter.reached(40)
        with meter.measured("read", lambda: 7):
            meter.count(3)
            meter.reached(99, 99)  # of a tool below: not of what is counted
            meter.count(4)
        with meter.hidden():
            pass
    restore, read = seen[0], seen[1]
    assert restore is not None
    assert read is not None
    assert seen == [restore, read, restore, None, restore, None]
    assert (restore.what, restore.done, restore.total) == ("restore", 40, 100)
    assert (read.what, read.done, read.total) == ("read", 7, 7)


def test_it_ends_with_what_fails(seen: list[Work | None]) -> None:
    with pytest.raises(OSError, match="full"), meter.measured("dump"):
        raise OSError("full")
    assert seen[-1] is None


def test_files_are_counted_while_they_are_hashed(seen: list[Work | None], tmp_path: Path) -> None:
    names = [f"{number}" for number in range(5)]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 3 * streams.CHUNK)
    with meter.measured("hash", lambda: 15 * streams.CHUNK):
        streams.digest_tree(tmp_path, names)
    work = seen[0]
    assert work is not None
    assert work.done == work.total


def test_nobody_watches_and_nothing_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "_METER", meter._Meter())
    with meter.measured("read", lambda: pytest.fail("summed for nobody")):
        meter.count(1)
        meter.reached(1)
        assert not meter.follows_reading()
