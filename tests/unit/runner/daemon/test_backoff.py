"""Pauses that grow."""

from pgbackstop_runner.daemon.backoff import Backoff

BACKOFF = Backoff(first=1.0, longest=60.0, healthy=60.0)


def test_doubles_up_to_the_longest() -> None:
    pauses, backoff = [], BACKOFF
    for _ in range(8):
        backoff = backoff.after(lasted=59.0)
        pauses.append(backoff.pause)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_begins_anew_after_a_healthy_while() -> None:
    assert BACKOFF.after().after().after(lasted=60.0).pause == 1.0


def test_no_pause_while_all_is_well() -> None:
    assert BACKOFF.after().after().well().pause == 0.0
    assert BACKOFF.after().well().after().pause == 1.0
