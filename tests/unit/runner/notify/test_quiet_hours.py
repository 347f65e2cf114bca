"""Quiet hours as intervals of Alertmanager, which end at midnight."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.hours import WEEKDAYS
from pgbackstop_catalog.config.notifications import QuietHours
from pgbackstop_runner.notify import alertmanager_config
from pgbackstop_runner.notify.alertmanager_config import Interval


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ({}, [("00:00", "24:00", WEEKDAYS)]),
        ({"start": "01:00", "end": "06:30", "days": ["monday"]}, [("01:00", "06:30", ("monday",))]),
        (
            {"start": "22:00", "end": "07:00", "days": ["friday", "sunday"]},
            [("22:00", "24:00", ("friday", "sunday")), ("00:00", "07:00", ("saturday", "monday"))],
        ),
        ({"start": "22:00", "end": "00:00", "days": ["sunday"]}, [("22:00", "24:00", ("sunday",))]),
    ],
)
def test_quiet_hours_may_pass_midnight(hours: dict[str, Any], expected: list[Any]) -> None:
    made = alertmanager_config.intervals(QuietHours.model_validate({**hours, "timezone": "Asia/Kathmandu"}))
    assert made == [
        Interval(start=start, end=end, days=days, location="Asia/Kathmandu") for start, end, days in expected
    ]


@given(start=st.integers(0, 1439), end=st.integers(0, 1439), day=st.sampled_from(WEEKDAYS))
def test_quiet_hours_last_as_long_as_they_say(start: int, end: int, day: str) -> None:
    if start == end:
        return
    hours = QuietHours.model_validate({"start": start, "end": end, "days": [day]})
    minutes = [
        (int(text[:2]) * 60 + int(text[3:]))
        for each in alertmanager_config.intervals(hours)
        for text in (each.start, each.end)
    ]
    assert sum(minutes[1::2]) - sum(minutes[::2]) == (end - start) % 1440
