"""A group of servers: what they have in common, and the plans that each of them gets."""

from __future__ import annotations

from pydantic import Field

from pgbackstop_catalog.config.plan import PlanTemplate
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.config.types import FreeLabels
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records.attempt import Name


class Group(Model):
    """What servers have in common, and the plans that each of them gets. What a server or a plan says itself
    counts more, key by key; ``null`` there takes away what the group says. ``{server}`` in a text is the
    server's name, ``{plan}`` the plan's.
    """

    servers: tuple[str, ...] = Field(
        default=(),
        description="its servers by name, ranges too, as in pay-[001:300]; those that name it come on top",
    )
    labels: FreeLabels = Field(default={}, description="free labels of its servers")
    server: Server = Field(
        default=Server.defaults(), description="what is the same of its servers; the keys of servers.NAME"
    )
    plans: dict[Name, PlanTemplate] = Field(
        default={},
        description="what each of its servers gets: plan NAME of server pay-001 is pay-001-NAME; the keys of "
        "plans.NAME without server; the two default plans when left out",
    )
