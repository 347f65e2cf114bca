"""Who is told what: where events are posted to, by which channels people hear, and when those stay quiet.

Settings only; the runner acts.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

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
from pgbackstop_catalog.config.hours import Hours
from pgbackstop_catalog.config.types import Duration, HttpAddress
from pgbackstop_catalog.model import Model


class Alertmanager(Model):
    """Where events are posted to."""

    url: HttpAddress = Field(description="like http://127.0.0.1:9093, with its path prefix if it has one")
    timeout: Duration = Field(default=5.0, gt=0, description="how long one notification may take")


class QuietHours(Hours):
    """When warnings and news wait; critical alerts always go out."""


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
