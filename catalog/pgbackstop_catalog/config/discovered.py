"""What sources of servers last said, as the runner keeps it in the host's state; both programs read it.

Nobody is asked here: a source that is down, or says nonsense, changes nothing of what is kept. Imports
nothing slow, so that a list knows the names of plans, too.

    state/discovery/servers/<source>.json  its servers, written when they change
    state/discovery/status/<source>.json   when it was asked, and what was wrong
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config import locate
from pgbackstop_catalog.text import is_name

MOST_BYTES: Final = 32 * 2**20
# By source, by server, what is known of the server: keys of its configuration.
Servers = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """How a source fares. Times are Unix seconds, 0 = never; ``problem`` is of the last time."""

    asked_at: float = 0.0
    answered_at: float = 0.0
    problem: str = ""


def servers_file(state: Path, source: str) -> Path:
    """Where the servers of a source are kept."""
    return state / "state" / "discovery" / "servers" / f"{source}.json"


def status_file(state: Path, source: str) -> Path:
    """Where is kept how a source fares."""
    return state / "state" / "discovery" / "status" / f"{source}.json"


def servers(content: Mapping[str, Any], file: Path) -> Servers:
    """Those of each source in a configuration's content. Raises ConfigError where one cannot be read."""
    sources = content.get("discovery")
    state = locate.plain_state(content, file) if isinstance(sources, dict) else None
    if state is None or not isinstance(sources, dict):
        return {}
    return {
        name: _with_group(_mappings(_read(servers_file(state, name))), sources[name])
        for name in sources
        if isinstance(name, str) and is_name(name)
    }


def status(state: Path, source: str) -> SourceStatus:
    """How a source fares; all zero where nobody has asked it yet. Raises ConfigError."""
    found = _read(status_file(state, source))
    try:
        return SourceStatus(
            asked_at=float(found.get("asked_at", 0)),
            answered_at=float(found.get("answered_at", 0)),
            problem=str(found.get("problem", "")),
        )
    except (TypeError, ValueError):
        return SourceStatus()


def _with_group(found: dict[str, dict[str, Any]], source: Any) -> dict[str, dict[str, Any]]:
    group = source.get("group") if isinstance(source, dict) else None
    return {name: {"group": group, **each} for name, each in found.items()} if group else found


def _mappings(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in found.items() if isinstance(each, dict)}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(regular_file.read(path, MOST_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise errors.ConfigError(
            f"What was discovered cannot be read: {path}: {reason}.",
            remedy="Mend its owner and mode; or remove it and run 'pgbackstop discovery refresh'.",
        ) from error
    return found if isinstance(found, dict) else {}
