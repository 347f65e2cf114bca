"""How long backups are kept, by a plan, or by a further storage that has copies of them."""

from __future__ import annotations

from pydantic import Field

from pgbackstop_catalog.config.types import Duration
from pgbackstop_catalog.model import Model

DAY = 86400.0
MOST_KEPT = 36_500  # a century of days


class CopyKeep(Model):
    """How long copies are kept. A copy stays while any rule keeps it, and never fewer than ``minimum``."""

    last: int | None = Field(default=None, ge=1, le=MOST_KEPT, description="the newest N good backups")
    within: Duration | None = Field(default=None, description="every good backup younger than this")
    hourly: int | None = Field(
        default=None, ge=1, le=MOST_KEPT, description="the newest of each of the last N hours that have one"
    )
    daily: int | None = Field(
        default=None, ge=1, le=MOST_KEPT, description="the newest of each of the last N days that have one"
    )
    weekly: int | None = Field(
        default=None, ge=1, le=MOST_KEPT, description="the newest of each of the last N weeks that have one"
    )
    monthly: int | None = Field(
        default=None, ge=1, le=MOST_KEPT, description="the newest of each of the last N months that have one"
    )
    yearly: int | None = Field(
        default=None, ge=1, le=MOST_KEPT, description="the newest of each of the last N years that have one"
    )
    minimum: int = Field(
        default=2,
        ge=1,
        le=MOST_KEPT,
        description="never fewer good backups than this, whatever the rules say",
    )

    def reach(self, interval: float) -> float:
        """Seconds that the oldest backup which is kept is old at least, with one every ``interval``."""
        pauses = (
            (max(self.last or 1, self.minimum) - 1) * interval,
            (self.within or 0.0) - interval,
            ((self.hourly or 1) - 1) * max(3600.0, interval),
            ((self.daily or 1) - 1) * max(DAY, interval),
            ((self.weekly or 1) - 1) * max(7 * DAY, interval),
            ((self.monthly or 1) - 1) * max(28 * DAY, interval),
            ((self.yearly or 1) - 1) * max(365 * DAY, interval),
        )
        return max(pauses)


class Keep(CopyKeep):
    """How long backups are kept. A backup stays while any rule keeps it, and never fewer than ``minimum``."""

    records: Duration = Field(default=400 * 86400.0, description="how long records outlive their backups")
