"""The daemon while the wall clock jumps: libfaketime moves the clock of the daemon and its children.

The monotonic clock is left alone, as the kernel leaves it.
"""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.integration.daemon.conftest import Daemons, until
from tests.support import faketime


class Clock:
    """The wall clock of what is started with ``environment``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._offset = timedelta()
        self.environment = faketime.environment(
            FAKETIME_TIMESTAMP_FILE=str(self._file), FAKETIME_NO_CACHE="1"
        )

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def set(self, moment: datetime) -> None:
        """Jump to a moment; time goes on from there."""
        self._offset = timedelta(seconds=round((moment - datetime.now(UTC)).total_seconds()))
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._offset.total_seconds():+.0f}\n")
        fresh.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def _start_before(daemons: Daemons, clock: Clock, due: datetime) -> subprocess.Popen[str]:
    """A daemon that lives at a moment when ``due`` is a second away, however long it takes to start."""
    clock.set(due - timedelta(minutes=50))
    daemon = daemons.start_and_wait(**clock.environment)
    clock.set(due - timedelta(seconds=1))
    return daemon


def _beats_after(daemons: Daemons, moment: datetime) -> None:
    """Wait until the daemon has looked at the clock twice since ``moment``."""
    first = until(lambda: (s := daemons.state()) and s.heartbeat_at >= moment and s, "a heartbeat")
    until(lambda: (s := daemons.state()) and s.heartbeat_at > first.heartbeat_at, "another heartbeat")


def _succeeded(daemons: Daemons, plan: str, due: datetime) -> None:
    def there() -> bool:
        record = daemons.by_due(plan).get(due)
        return record is not None and record.status is Status.SUCCEEDED

    until(there, f"a success of {plan} for {due}")


def test_autumn_runs_once(daemons: Daemons, clock: Clock) -> None:
    daemons.configure({"nightly": {"schedule": "30 2 * * *", "timezone": "Europe/Berlin"}})
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 CEST; an hour later it is 02:30 again
    daemon = _start_before(daemons, clock, first)
    _succeeded(daemons, "nightly", first)
    clock.set(first + timedelta(minutes=59, seconds=57))
    _beats_after(daemons, first + timedelta(hours=1, seconds=2))
    assert list(daemons.by_due("nightly")) == [first]
    state = daemons.state()
    assert state is not None
    assert state.next_runs["nightly"] == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert daemons.stop(daemon) == 0


def test_spring_runs_once(daemons: Daemons, clock: Clock) -> None:
    daemons.configure({"nightly": {"schedule": "30 2 * * *", "timezone": "Europe/Berlin"}})
    change = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:00 CET becomes 03:00 CEST: there is no 02:30
    daemon = _start_before(daemons, clock, change)
    _succeeded(daemons, "nightly", change)
    state = daemons.state()
    assert state is not None
    assert state.next_runs["nightly"] == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    assert daemons.stop(daemon) == 0


def test_a_jump_forward_catches_up_once(daemons: Daemons, clock: Clock) -> None:
    daemons.configure({"hourly": {"schedule": "0 * * * *", "grace": "30m"}})
    start = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
    clock.set(start)
    daemon = daemons.start_and_wait(**clock.environment)
    clock.set(start + timedelta(hours=3, minutes=50))  # 14:20
    newest = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
    _succeeded(daemons, "hourly", newest)
    _beats_after(daemons, newest)
    found = daemons.by_due("hourly")
    assert found[newest].trigger == "catch-up"
    missed = found[newest - timedelta(hours=1)]
    assert (missed.status, missed.missed_runs, len(found)) == (Status.MISSED, 3, 2)
    assert daemons.stop(daemon) == 0


def test_a_jump_forward_beyond_the_grace_is_missed(daemons: Daemons, clock: Clock) -> None:
    daemons.configure({"hourly": {"schedule": "0 * * * *", "grace": "5m"}})
    start = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
    clock.set(start)
    daemon = daemons.start_and_wait(**clock.environment)
    clock.set(start + timedelta(hours=3, minutes=50))
    (missed,) = until(lambda: daemons.records("hourly"), "a missed record")
    assert (missed.status, missed.missed_runs) == (Status.MISSED, 4)
    assert daemons.stop(daemon) == 0


def test_a_jump_back_runs_nothing_twice(daemons: Daemons, clock: Clock) -> None:
    daemons.configure({"hourly": {"schedule": "0 * * * *"}})
    due = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
    daemon = _start_before(daemons, clock, due)
    _succeeded(daemons, "hourly", due)
    clock.set(due - timedelta(minutes=50))
    until(lambda: (s := daemons.state()) and s.heartbeat_at < due, "the clock is back")
    clock.set(due - timedelta(seconds=1))
    _beats_after(daemons, due + timedelta(seconds=2))
    assert list(daemons.by_due("hourly")) == [due]
    assert daemons.stop(daemon) == 0
    # Nor does a daemon that is started then.
    clock.set(due - timedelta(seconds=3))
    daemon = daemons.start_and_wait(**clock.environment)
    _beats_after(daemons, due + timedelta(seconds=2))
    assert list(daemons.by_due("hourly")) == [due]
    assert daemons.stop(daemon) == 0


def test_a_clock_that_was_years_ahead_does_not_stop_the_backups(daemons: Daemons, clock: Clock) -> None:
    daemons.configure({"hourly": {"schedule": "0 * * * *"}})
    due = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
    wrong = datetime(2036, 1, 1, 12, 0, tzinfo=UTC)
    daemon = _start_before(daemons, clock, wrong)
    _succeeded(daemons, "hourly", wrong)
    clock.set(due - timedelta(minutes=50))
    until(lambda: "the clock was or is wrong" in daemons.log(), "the clock is seen to be right again")
    clock.set(due - timedelta(seconds=1))
    _succeeded(daemons, "hourly", due)
    assert daemons.stop(daemon) == 0
    # The next daemon does not believe that clock either, and still knows what was due while it was away.
    clock.set(due + timedelta(hours=1, minutes=10))
    daemon = daemons.start_and_wait(**clock.environment)
    _succeeded(daemons, "hourly", due + timedelta(hours=1))
    assert daemons.stop(daemon) == 0
