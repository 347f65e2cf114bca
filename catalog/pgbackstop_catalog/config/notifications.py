"""Who is told what: where events are posted to, by which channels people hear, and when those stay quiet.

Settings only; the runner acts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from pgbackstop_catalog.config.channels import (
    Discord,
    Email,
    Opsgenie,
    PagerDuty,
    Slack,
    Teams,
    Telegram,
    Webhook,
)
from pgbackstop_catalog.config.types import Duration, HttpAddress, TimeZone
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


class Alertmanager(Model):
    """Where events are posted to."""

    url: HttpAddress = Field(description="like http://127.0.0.1:9093, with its path prefix if it has one")
    timeout: Duration = Field(default=5.0, gt=0, description="how long one notification may take")


class QuietHours(Model):
    """When warnings and news wait; critical alerts always go out."""

    days: tuple[Weekday, ...] = Field(
        default=WEEKDAYS,
        min_length=1,
        description="the days on which the time begins; every day when left out",
    )
    start: TimeOfDay = Field(default="00:00", description="when it begins, like 22:00")
    end: TimeOfDay = Field(default="24:00", description="when it ends; before start, it is on the next day")
    timezone: TimeZone = Field(default="UTC", description="of these times, as in Europe/Berlin")

    @model_validator(mode="after")
    def _lasts(self) -> QuietHours:
        if self.start in {self.end, "24:00"}:
            msg = "start and end leave no time: for whole days leave both out"
            raise ValueError(msg)
        return self


class Notifications(Model):
    """Who hears of finished and failed backups, and of everything else that goes wrong."""

    alertmanager: Alertmanager | None = Field(default=None, description="where events are posted to")
    email: Email | None = Field(default=None, description="alerts by mail")
    slack: Slack | None = Field(default=None, description="alerts in a channel of Slack")
    telegram: Telegram | None = Field(default=None, description="alerts in a chat of Telegram")
    discord: Discord | None = Field(default=None, description="alerts in a channel of Discord")
    teams: Teams | None = Field(
        default=None, description="alerts in a channel of Microsoft Teams; needs Alertmanager 0.28 or later"
    )
    pagerduty: PagerDuty | None = Field(default=None, description="incidents of PagerDuty")
    opsgenie: Opsgenie | None = Field(default=None, description="alerts of Opsgenie")
    webhook: Webhook | None = Field(default=None, description="a webhook of yours, ntfy's among them")
    watchdog_url_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with the address of a dead man's switch; it is called every 5 "
        "minutes while alerts can be delivered",
    )
    quiet_hours: tuple[QuietHours, ...] = Field(
        default=(), description="when warnings and news wait; critical alerts never do"
    )
    finished: bool = Field(default=True, description="tell of good backups too")
    grafana_url: HttpAddress | None = Field(
        default=None, description="messages link to its dashboard, when given"
    )
    group_wait: Duration = Field(
        default=5.0, description="how long the first alert of a server waits for others"
    )
    group_interval: Duration = Field(
        # Prometheus sends a resolved alert again every 90 s or so for a quarter of an hour. A shorter
        # interval forgets it in between, and tells of its end each time anew.
        default=120.0,
        gt=0,
        description="how long a further alert of the same server waits; below 2m ends are told repeatedly",
    )
    repeat_interval: Duration = Field(
        default=4 * 3600.0, gt=0, description="how often an alert is told again while it lasts"
    )
