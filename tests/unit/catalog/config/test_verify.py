"""The part of the configuration that says when stored backups are read again."""

import pytest
from pydantic import ValidationError

from pgbackstop_catalog.config.verify import Verify


def test_every_night_with_a_budget_unless_said_otherwise() -> None:
    limits = Verify()
    assert limits.enabled
    assert limits.effective_schedule().is_daily()
    assert limits.bytes_per_day == 200 * 10**9
    assert (limits.interval, limits.effective_copies_interval()) == (3 * 86400.0, 14 * 86400.0)
    assert limits.effective_max_age() == 30 * 86400.0


def test_where_nothing_is_scheduled_nothing_is_too_old() -> None:
    assert Verify(enabled=False).effective_max_age() is None


def test_copies_have_their_turn_before_they_are_told_of() -> None:
    """Whoever lowers the limit alone is not refused for an interval that nobody wrote."""
    assert Verify.model_validate({"max_age": "10d"}).effective_copies_interval() == 5 * 86400.0
    assert Verify.model_validate({"max_age": "90d"}).effective_copies_interval() == 14 * 86400.0
    said = Verify.model_validate({"max_age": "10d", "copies_interval": "9d"})
    assert said.effective_copies_interval() == 9 * 86400.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": "every night"},
        {"timezone": "Mars"},
        {"bytes_per_day": "0"},
        {"bytes_per_day": "much"},
        {"interval": "30d"},
        {"max_age": "3d"},
        {"max_age": "14d", "copies_interval": "14d"},
        {"copies_interval": "30d"},
        {"storage": "disk"},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Verify.model_validate(wrong)
