"""When the daemon lets stored backups be read again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.daemon.one_child import OneChild
from pgbackstop_runner.daemon.settings import Settings, VerifyOrder, verify_command
from pgbackstop_runner.daemon.verify_runs import Rereads
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

FOUR = NOW.replace(hour=4)  # when it is due by default; NOW is noon
MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class Child(OneChild):
    """Keeps what it is to start, and is busy when a test says so."""

    what: str = "verify"
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    stop_seconds: float = 0.0
    busy: bool = False
    started: list[list[str]] = field(default_factory=list)

    def is_free(self) -> bool:
        return not self.busy

    def start(self, argv: Sequence[str], **_facts: str) -> None:
        self.started.append(list(argv[-4:]))


def asked(hour: str, trigger: str = "schedule") -> list[str]:
    return ["--trigger", trigger, "--scheduled-for", hour]


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


def read_before(opened: Workspace, **changes: Any) -> None:
    made = factories.backup(1, NOW - 9 * DAY)
    opened.catalog.put(made)
    opened.catalog.put(Proof.of(made, "verify", started_at=FOUR - DAY).evolve(**changes))


def test_it_starts_once_when_it_is_due(opened: Workspace) -> None:
    child = Child()
    rereads = Rereads(settings=Settings(), child=child)
    for now in (FOUR - MINUTE, FOUR, FOUR + MINUTE, FOUR + DAY):
        rereads.look(opened, now)
    assert child.started == [asked("2026-11-22T04:00:00+00:00"), asked("2026-11-23T04:00:00+00:00")]


def test_the_real_command_asks_for_it(opened: Workspace) -> None:
    argv = verify_command(opened, VerifyOrder(due=FOUR, catch_up=False))
    assert argv[argv.index("verify") :] == ["verify", "--due", *asked("2026-11-22T04:00:00+00:00")]


def test_one_that_is_still_going_is_waited_for_and_the_newest_comes_next(opened: Workspace) -> None:
    child = Child(busy=True)
    rereads = Rereads(settings=Settings(), child=child)
    for now in (FOUR - MINUTE, FOUR, FOUR + DAY):
        rereads.look(opened, now)
    child.busy = False
    rereads.look(opened, FOUR + DAY + MINUTE)
    assert child.started == [asked("2026-11-23T04:00:00+00:00")]


@pytest.mark.parametrize(
    ("back_at", "started"),
    [
        (FOUR + 30 * MINUTE, [asked("2026-11-22T04:00:00+00:00", "catch-up")]),
        (FOUR + 90 * MINUTE, []),
    ],
)
def test_a_daemon_that_was_away_catches_up_within_an_hour(
    opened: Workspace, back_at: Any, started: list[list[str]]
) -> None:
    read_before(opened, scheduled_for=FOUR - DAY)
    child = Child()
    Rereads(settings=Settings(), child=child).look(opened, back_at)
    assert child.started == started


def test_what_is_on_record_is_not_done_again(opened: Workspace) -> None:
    read_before(opened, started_at=FOUR, scheduled_for=FOUR)
    child = Child()
    Rereads(settings=Settings(), child=child).look(opened, FOUR + MINUTE)
    assert child.started == []


def test_turned_off_nothing_is_read(opened: Workspace, tmp_path: Path) -> None:
    child = Child()
    rereads = Rereads(settings=Settings(), child=child)
    rereads.look(opened, FOUR - MINUTE)
    rereads.look(places.workspace(tmp_path / "other", verify={"enabled": False}), FOUR)
    assert child.started == []
