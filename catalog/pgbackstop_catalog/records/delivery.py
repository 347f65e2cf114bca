"""The record of the notices that the runner delivers: ``outbox/tally.state``."""

from __future__ import annotations

from pydantic import Field

from pgbackstop_catalog.model import Count, Model


class DeliveryFailures(Model):
    """How often a delivery failed, by channel, since the catalog began; never falls."""

    failures: dict[str, Count] = Field(max_length=1000)
