"""Processes side by side show what they do on the one terminal of the process that began them."""

import os
import signal
from pathlib import Path

import pytest

from pgbackstop_runner.system import meter, workers
from pgbackstop_runner.system.meter import Work
from tests.support.backups import until


class Shown:
    """A display that remembers."""

    def __init__(self) -> None:
        self.works: list[list[tuple[str, int | None]]] = []
        self.lines: list[tuple[int, str]] = []

    def show(self, works: tuple[Work, ...]) -> None:
        self.works.append(sorted((each.what, each.total) for each in works))

    def say(self, line: str) -> None:
        self.lines.append((os.getpid(), line))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    display = Shown()
    monkeypatch.setattr(meter, "_METER", meter._Meter())
    meter.watch(display)
    return display


def test_works_stand_beside_each_other_and_lines_come_once(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [("dump 0", None), ("dump 1", None)]

    def show(works: tuple[Work, ...]) -> None:
        Shown.show(shown, works)
        if shown.works[-1] == both:
            (tmp_path / "both").touch()

    monkeypatch.setattr(shown, "show", show)

    def work(number: int) -> None:
        with meter.measured(f"dump {number}"):
            meter.say(f"begins {number}")
            until((tmp_path / "both").exists, "both on one display")

    workers.run(work, 2, at_once=2)
    assert sorted(shown.lines) == [(os.getpid(), "begins 0"), (os.getpid(), "begins 1")]
    assert both in shown.works
    assert shown.works[-1] == []


def test_what_was_killed_is_no_longer_shown(shown: Shown) -> None:
    def work(number: int) -> None:
        with meter.measured(f"dump {number}"):
            os.kill(os.getpid(), signal.SIGKILL)

    workers.run(work, 1, at_once=1)
    assert shown.works == [[("dump 0", None)], []]


def test_nobody_watches_and_lines_go_where_they_went(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(meter, "_METER", meter._Meter())

    def work(number: int) -> None:
        with meter.measured("dump") as measured:
            (tmp_path / str(number)).write_text(str(measured))

    workers.run(work, 2, at_once=2)
    assert [(tmp_path / each).read_text() for each in ("0", "1")] == ["None", "None"]
