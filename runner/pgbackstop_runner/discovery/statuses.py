"""How sources of servers fare, for people and programs."""

from __future__ import annotations

from datetime import UTC, datetime

from pgbackstop_catalog import units
from pgbackstop_catalog.config import discovered, locate
from pgbackstop_catalog.model import Model, UtcTime
from pgbackstop_runner.workspace import Workspace


class DiscoveryStatus(Model):
    """One source; ``last_answer`` is when its list was last taken, ``problem`` is of the last time."""

    source: str
    servers: int
    last_asked: UtcTime | None
    last_answer: UtcTime | None
    problem: str

    def age(self, now: float) -> str:
        """How long ago it last answered, for people."""
        if self.last_answer is None:
            return "never"
        return f"{units.format_duration(max(0.0, now - self.last_answer.timestamp()))} ago"


def read(workspace: Workspace) -> list[DiscoveryStatus]:
    """All of them. Raises ConfigError."""
    if not workspace.config.discovery:
        return []
    document = locate.document(workspace.file).value
    servers = discovered.servers(document, workspace.file) if isinstance(document, dict) else {}
    return [_status(workspace, name, len(servers.get(name, {}))) for name in workspace.config.discovery]


def _status(workspace: Workspace, name: str, servers: int) -> DiscoveryStatus:
    known = discovered.status(workspace.state.root, name)
    return DiscoveryStatus(
        source=name,
        servers=servers,
        last_asked=_moment(known.asked_at),
        last_answer=_moment(known.answered_at),
        problem=known.problem,
    )


def _moment(unix: float) -> datetime | None:
    return datetime.fromtimestamp(unix, UTC) if unix else None
