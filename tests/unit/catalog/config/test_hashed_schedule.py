"""H in a schedule: in its range, the same each time, spread over plans, refused where it means nothing."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from pgbackstop_catalog.config import hashed_schedule
from pgbackstop_catalog.config.schedule import Schedule

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "H H * * *",
        "H H(1-4) * * *",
        "H/15 * * * *",
        "H H(22-23) H * H",
        "H H H * * *",
        "H(0-29)/10 3,H * H 1",
    ],
)
def test_each_plan_has_a_time_of_its_own_that_is_due(expression: str) -> None:
    chosen = hashed_schedule.resolved(expression, "pay-001-logical")
    assert "H" not in chosen
    assert chosen == hashed_schedule.resolved(expression, "pay-001-logical")
    assert next(Schedule(expression=chosen).after(NOW)) > NOW


def test_a_thousand_plans_are_spread_over_the_whole_range() -> None:
    chosen = [hashed_schedule.resolved("H H(1-4) * * *", f"pay-{n}-logical").split() for n in range(1000)]
    minutes, hours = Counter(each[0] for each in chosen), Counter(each[1] for each in chosen)
    assert set(hours) == {"1", "2", "3", "4"}
    assert len(minutes) == 60
    assert max(Counter(map(tuple, chosen)).values()) < 20  # 240 minutes for a thousand plans


def test_a_step_begins_within_itself() -> None:
    first, step = hashed_schedule.resolved("H/15 * * * *", "a").split()[0].split("/")
    assert (int(first.split("-")[0]) < 15, step) == (True, "15")


@pytest.mark.parametrize("expression", ["0 2 * * *", "0 2 * MAR THU", "@daily", "", "H", "H H"])
def test_what_has_no_h_of_ours_stays_as_it_is(expression: str) -> None:
    assert hashed_schedule.resolved(expression, "a") == expression


@pytest.mark.parametrize("field", ["H(3-99)", "H(5-3)", "H/0", "H/61", "H(0-5)/9"])
def test_what_means_nothing_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="must lie within 0 and 59"):
        hashed_schedule.resolved(f"{field} * * * *", "a")
