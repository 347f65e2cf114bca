"""What the runner has learned of servers from lists of others, and how these fare: files in its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog.config import discovered
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.store import listing
from pgbackstop_exporter.snapshot import DiscoveryFacts


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """The servers of each source, as a configuration reads them, and the facts of each."""

    servers: discovered.Servers
    facts: Mapping[str, DiscoveryFacts]


def read(config: Config, file: Path) -> Discovered:
    """As it is now. Raises ConfigError where it cannot be read, CatalogError where the host's state is away:
    a list of a disk that is not mounted is not taken for an empty one.
    """
    sources = {name: {"group": source.group} for name, source in config.discovery.items()}
    state = config.state_root()
    listing.require_state(state)
    servers = discovered.servers({"state_folder": str(state), "discovery": sources}, file)
    return Discovered(
        servers=servers,
        facts={name: _facts(discovered.status(state, name), len(servers[name])) for name in sources},
    )


def _facts(status: discovered.SourceStatus, servers: int) -> DiscoveryFacts:
    is_well = bool(status.answered_at) and not status.problem
    return DiscoveryFacts(success=is_well, last_success=status.answered_at, servers=servers)
