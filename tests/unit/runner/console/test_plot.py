"""Plots: what stands where, where they are broken, and what they say."""

from datetime import UTC, datetime, timedelta

from pgbackstop_catalog import text
from pgbackstop_runner.console import plot
from pgbackstop_runner.console.plot import HEIGHT, WIDTH, Plot, Run

SIZE = text.word("Size")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def written(value: float) -> text.Said:
    return text.said("{n:.0f} B", n=value)


def drawn(*values: float | None) -> Plot | None:
    runs = [
        Run(
            id=str(day),
            state="failed" if value is None else "available",
            at=NOON + timedelta(day),
            value=value,
        )
        for day, value in enumerate(values)
    ]
    return plot.plot(SIZE, runs, written)


def test_a_failed_run_breaks_the_line_and_stands_at_the_bottom() -> None:
    made = drawn(10, 20, None, 40, 30)
    assert made is not None
    assert len(made.lines) == 2
    failed = made.dots[2]
    assert (failed.shown, failed.y) == ("failed", max(dot.y for dot in made.dots))
    assert made.dots[3].y == min(dot.y for dot in made.dots)
    assert [dot.x for dot in made.dots] == sorted(dot.x for dot in made.dots)
    assert all(0 < dot.x < WIDTH and 0 < dot.y < HEIGHT for dot in made.dots)
    assert made.summary == (
        "Size of 4 runs: 10 B at first, 30 B at last, between 10 B and 40 B; 1 run without, drawn as gaps."
    )


def test_one_run_between_failed_ones_is_a_dot_without_a_line() -> None:
    made = drawn(10, None, 20, None, 30)
    assert made is not None
    assert made.lines == ()
    assert len(made.dots) == 5


def test_runs_of_one_moment_and_of_no_size_are_drawn_too() -> None:
    runs = [Run(id=str(number), state="available", at=NOON, value=0) for number in range(3)]
    made = plot.plot(SIZE, runs, written)
    assert made is not None
    assert {dot.x for dot in made.dots} == {made.dots[0].x}


def test_where_there_is_nothing_to_compare_nothing_is_drawn() -> None:
    assert drawn() is None
    assert drawn(None, None) is None
    assert drawn(10, None) is None
