"""Times of the day on days of the week."""

from datetime import UTC, datetime

import pytest

from pgbackstop_catalog.config.hours import Hours

OFFICE = {"days": ["monday", "friday"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin"}
NIGHT = {"days": ["friday"], "start": "22:00", "end": "06:00"}


@pytest.mark.parametrize(
    ("hours", "moment", "holds"),
    [
        (OFFICE, "2026-11-23T06:59", False),  # a Monday, an hour later in Berlin
        (OFFICE, "2026-11-23T07:00", True),
        (OFFICE, "2026-11-23T16:59", True),
        (OFFICE, "2026-11-23T17:00", False),
        (OFFICE, "2026-11-24T10:00", False),
        (OFFICE, "2026-07-20T06:00", True),  # summer
        (NIGHT, "2026-11-27T21:59", False),
        (NIGHT, "2026-11-27T22:00", True),
        (NIGHT, "2026-11-28T05:59", True),
        (NIGHT, "2026-11-28T06:00", False),
        (NIGHT, "2026-11-27T05:00", False),
        ({}, "2026-11-28T23:59", True),
    ],
)
def test_when_they_hold(hours: dict[str, object], moment: str, holds: bool) -> None:
    assert Hours.model_validate(hours).hold(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == holds
