"""Signals and deadlines, in this process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from pgbackstop_catalog.errors import Interrupted, PgbackstopError
from pgbackstop_runner.system import signals


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_interrupts_and_later_ones_do_not() -> None:
    signals.install()
    with pytest.raises(Interrupted, match="Ended by SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


def test_deferred() -> None:
    signals.install()
    done: list[str] = []
    other = threading.Event()
    # A thread that would be given the signal if it were only blocked in this one.
    thread = threading.Thread(target=other.wait)
    thread.start()

    def half_and_half() -> None:
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("all of it")

    with pytest.raises(Interrupted):
        half_and_half()
    other.set()
    thread.join()
    assert done == ["all of it"]


def test_what_ignores_the_hangup_goes_on_ignoring_it() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_deferred_elsewhere_than_in_the_main_thread() -> None:
    passed: list[bool] = []

    def run() -> None:
        with signals.deferred():
            passed.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert passed == [True]


def test_deadline() -> None:
    never = threading.Event()
    with (
        pytest.raises(PgbackstopError, match="Too late"),
        signals.deadline(0.05, PgbackstopError("Too late.")),
    ):
        never.wait(60)


def test_a_watch_is_asked_until_it_finds_something() -> None:
    found = iter((None, None, PgbackstopError("Too much.")))
    with (
        pytest.raises(PgbackstopError, match="Too much"),
        signals.deadline(600, PgbackstopError("Too late."), watch=lambda: next(found)),
    ):
        threading.Event().wait(60)


def test_a_watch_keeps_no_deadline_away() -> None:
    with (
        pytest.raises(PgbackstopError, match="Too late"),
        signals.deadline(0.05, PgbackstopError("Too late."), watch=lambda: None),
    ):
        threading.Event().wait(60)


def test_a_deadline_that_is_met_leaves_no_timer() -> None:
    before = signal.getsignal(signal.SIGALRM)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 100)
    with signals.deadline(50, PgbackstopError("Too late.")):
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 50
    assert signal.getsignal(signal.SIGALRM) is before
    assert 50 < signal.setitimer(signal.ITIMER_REAL, left)[0] <= 100


def test_in_another_thread_it_does_nothing() -> None:
    passed: list[bool] = []

    def run() -> None:
        with signals.deadline(0.01, PgbackstopError("Too late.")):
            threading.Event().wait(0.05)
            passed.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert passed == [True]


def test_a_signal_that_arrives_where_nothing_can_be_raised_is_not_lost() -> None:
    """Python passes over what is raised in a callback after fork."""
    code = """
import os, signal, time
from pgbackstop_catalog import errors
from pgbackstop_runner.system import signals
signals.install()
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGTERM))
if not os.fork():
    os._exit(0)
try:
    time.sleep(60)
except errors.Interrupted as error:
    print(error)
"""
    # Python warns of a fork beside threads since 3.12; this fork ends at once.
    quiet = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(quiet, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("Ended by SIGTERM.\n", "")
