"""Times of the day on days of the week: when something waits, or holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from pgbackstop_catalog.config.types import TimeZone
from pgbackstop_catalog.model import Model

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: Final[tuple[Weekday, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)


def _clock(value: Any) -> Any:
    """YAML reads 22:00 without quotes as a number of base 60, which is the minute of the day."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24 * 60:
        return f"{value // 60:02}:{value % 60:02}"
    return value


TimeOfDay = Annotated[
    str,
    BeforeValidator(_clock),
    Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
]


class Hours(Model):
    """A time of the day, on some days of the week."""

    days: tuple[Weekday, ...] = Field(
        default=WEEKDAYS,
        min_length=1,
        description="the days on which the time begins; every day when left out",
    )
    start: TimeOfDay = Field(default="00:00", description="when it begins, like 22:00")
    end: TimeOfDay = Field(default="24:00", description="when it ends; before start, it is on the next day")
    timezone: TimeZone = Field(default="UTC", description="of these times, as in Europe/Berlin")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start in {self.end, "24:00"}:
            msg = "start and end leave no time: for whole days leave both out"
            raise ValueError(msg)
        return self

    def hold(self, moment: datetime) -> bool:
        """Return whether the moment is within them, by the clock of their zone."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        now, today = f"{local:%H:%M}", WEEKDAYS[local.weekday()]
        if self.start < self.end:
            return today in self.days and self.start <= now < self.end
        yesterday = WEEKDAYS[(local - timedelta(days=1)).weekday()]
        return (today in self.days and now >= self.start) or (yesterday in self.days and now < self.end)
