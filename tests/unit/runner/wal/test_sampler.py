"""From samples of the server to the moment up to which everything is received."""

from datetime import UTC, datetime, timedelta

from pgbackstop_runner.wal.sampler import ClockSamples

START = datetime(2026, 11, 22, tzinfo=UTC)


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


def test_nothing_is_known_before_the_first_sample() -> None:
    assert ClockSamples().until(10**9) is None


def test_everything_before_a_sample_is_received_with_its_position() -> None:
    moments = ClockSamples()
    for number in (1, 2, 3):
        moments.add(number * 100, second(number))
    assert moments.until(99) is None
    assert moments.until(100) == second(1)
    assert moments.until(299) == second(2)
    assert moments.until(10**9) == second(3)


def test_an_idle_servers_moment_moves_on() -> None:
    moments = ClockSamples()
    for number in range(1000):
        moments.add(500, second(number))
    assert moments.until(500) == second(999)
    assert moments.until(499) is None


def test_a_position_that_falls_is_another_server() -> None:
    moments = ClockSamples()
    moments.add(500, second(1))
    moments.add(300, second(2))
    assert moments.until(500) == second(2)
    assert moments.until(299) is None


def test_what_is_archived_is_forgotten_but_for_the_last() -> None:
    moments = ClockSamples()
    for number in range(1, 6):
        moments.add(number * 100, second(number))
    moments.forget_before(350)
    assert moments.until(299) is None
    assert moments.until(350) == second(3)
    assert moments.until(500) == second(5)
