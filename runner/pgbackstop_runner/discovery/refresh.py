"""A source asked and what it said kept: only when the whole configuration is right with it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import discovered, load, locate
from pgbackstop_catalog.config.yaml_file import BadConfig
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.discovery import sources, targets
from pgbackstop_runner.discovery.targets import Refused
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

# An answer without most of what was known is taken for a broken one, and so is an empty one.
_SHARE: Final = 0.5
_FEW: Final = 4


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one question; ``problem`` says why its answer was not taken, else it is ``""``."""

    source: str
    servers: int
    came: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: bool = False
    problem: str = ""


def refresh(workspace: Workspace, source: str, now: float, *, accept: bool = False) -> Outcome:
    """Ask a source; ``accept`` an answer without most of its servers. Raises CatalogError, ConfigError."""
    known = _known(workspace)
    before = known.get(source, {})
    try:
        found = targets.servers(sources.ask(workspace.config.discovery[source]))
        _judge(workspace, known, source, found, accept=accept)
    except Refused as error:
        _save_status(workspace, source, asked_at=now, problem=errors.one_line(error))
        return Outcome(source=source, servers=len(before), problem=errors.one_line(error))
    if found != before:
        _save(workspace, discovered.servers_file(workspace.state.root, source), found)
    _save_status(workspace, source, asked_at=now, answered_at=now, problem="")
    return Outcome(
        source=source,
        servers=len(found),
        came=tuple(sorted(set(found) - set(before))),
        gone=tuple(sorted(set(before) - set(found))),
        changed=found != before,
    )


def due(workspace: Workspace, now: float) -> list[str]:
    """The sources whose interval has passed since they were asked. Raises ConfigError."""
    return [
        name
        for name, source in workspace.config.discovery.items()
        if not 0 <= now - discovered.status(workspace.state.root, name).asked_at < source.interval
    ]


def tell(outcome: Outcome) -> None:
    """Write what became of it to the log."""
    if outcome.problem:
        log.logger().warning("discovery failed", source=outcome.source, problem=outcome.problem)
    for name in outcome.came:
        log.logger().info("server discovered", source=outcome.source, server=name)
    for name in outcome.gone:
        log.logger().warning(
            "server gone", source=outcome.source, server=name, consequence="its plans stop, its backups stay"
        )


def _known(workspace: Workspace) -> discovered.Servers:
    """As it is kept, without the groups that the configuration gives."""
    content = {
        "discovery": {name: {} for name in workspace.config.discovery},
        "state_folder": str(workspace.state.root),
    }
    return discovered.servers(content, workspace.file)


def _judge(
    workspace: Workspace,
    known: discovered.Servers,
    source: str,
    found: dict[str, dict[str, Any]],
    *,
    accept: bool,
) -> None:
    before = known.get(source, {})
    gone = set(before) - set(found)
    lacks_most = not found or (len(before) >= _FEW and len(gone) > _SHARE * len(before))
    if before and lacks_most and not accept:
        raise Refused(
            f"{len(gone)} of {len(before)} servers are missing in it; if that is meant, run "
            f"'pgbackstop discovery refresh {source} --accept'"
        )
    for other, servers in known.items():
        if other != source and (twice := sorted(set(servers) & set(found))):
            raise Refused(f"server {twice[0]!r} is discovered by {other!r} already")
    group = workspace.config.discovery[source].group
    given = {"group": group} if group else {}
    _check(workspace, source, {name: {**given, **each} for name, each in found.items()})


def _check(workspace: Workspace, source: str, found: dict[str, dict[str, Any]]) -> None:
    """Whether the whole configuration is right with it."""
    document = locate.document(workspace.file).value
    kept = discovered.servers(document, workspace.file) if isinstance(document, dict) else {}
    try:
        load.read(workspace.file, {**kept, source: found})
    except BadConfig as error:
        raise Refused(f"with it the configuration is wrong: {errors.one_line(error.problems[0])}") from error


def _save_status(workspace: Workspace, source: str, **changes: Any) -> None:
    status = dataclasses.replace(discovered.status(workspace.state.root, source), **changes)
    _save(workspace, discovered.status_file(workspace.state.root, source), dataclasses.asdict(status))


def _save(workspace: Workspace, path: Path, content: dict[str, Any]) -> None:
    try:
        workspace.state.make(path.parent)
        atomic.write(path, json.dumps(content, indent=1).encode() + b"\n", shared=True)
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {path}: {error.strerror}.",
            remedy="Check the folder's owner and mode, and that it is not mounted read-only.",
        ) from error
