"""When stored backups and their copies are read again: on a schedule of their own, so many bytes a day."""

from __future__ import annotations

from pydantic import Field, model_validator

from pgbackstop_catalog import units
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.config.types import CronExpression, Duration, Size, TimeZone
from pgbackstop_catalog.model import Model


class Verify(Model):
    """When kept backups are read again, every byte, as 'pgbackstop verify --due' does."""

    enabled: bool = Field(default=True, description="false: they are read again by hand only")
    schedule: CronExpression = Field(default="0 4 * * *", description="cron expression")
    timezone: TimeZone = Field(
        default="UTC", description="the time zone of the schedule, and of the day that bytes_per_day is for"
    )
    bytes_per_day: Size = Field(
        default=200 * 10**9,
        ge=1,
        description="no more stored bytes are read in a day, copies included; a larger backup is read alone",
    )
    interval: Duration = Field(
        default=3 * 86400.0, description="a backup is not read again before this has passed"
    )
    copies_interval: Duration | None = Field(
        default=None,
        description="the same of copies in further storages, where reading may cost money; when left out, "
        "14d or half of max_age, whichever is less",
    )
    max_age: Duration = Field(
        default=30 * 86400.0,
        description="a kept backup that was not read for longer than this raises BackupNotReread",
    )

    @model_validator(mode="after")
    def _turns_come_in_time(self) -> Verify:
        turns = (
            ("interval", "backup", self.interval),
            ("copies_interval", "copy", self.effective_copies_interval()),
        )
        for name, what, interval in turns:
            if self.max_age <= interval:
                msg = (
                    f"max_age must be longer than {name} ({units.format_exact_duration(interval)}): "
                    f"every {what} would be told of before its turn"
                )
                raise ValueError(msg)
        return self

    def effective_schedule(self) -> Schedule:
        """When backups are read again."""
        return Schedule(expression=self.schedule, timezone=self.timezone)

    def effective_copies_interval(self) -> float:
        """Seconds before a copy is read again."""
        if self.copies_interval is not None:
            return self.copies_interval
        return min(14 * 86400.0, self.max_age / 2)

    def effective_max_age(self) -> float | None:
        """Seconds after which the newest reading of a backup is too old; None where none is scheduled."""
        return self.max_age if self.enabled else None
