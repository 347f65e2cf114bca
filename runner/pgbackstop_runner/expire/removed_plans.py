"""Backups of plans that were renamed or removed: no retention looks at them, so they stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RemovedPlan:
    """A plan that is no longer in the configuration, and its backups that are kept, the newest first."""

    name: str
    backups: tuple[Backup, ...]

    @property
    def size_bytes(self) -> int:
        """Stored bytes, without those of copies."""
        return sum(each.size_bytes or 0 for each in self.backups)


def found(workspace: Workspace) -> Iterator[RemovedPlan]:
    """Those that keep backups, by name. Raises CatalogError."""
    for name in workspace.own_plans():
        if name not in workspace.config.plans:
            kept = _kept(workspace, name)
            if kept:
                yield RemovedPlan(name=name, backups=kept)


def find(workspace: Workspace, name: str) -> RemovedPlan:
    """The removed plan of that name.

    Raises ConfigError for a configured one, and for one that may be another host's; NotFound for any other.
    """
    if name in workspace.config.plans:
        raise errors.ConfigError(
            f"Plan {name} is in the configuration: its own retention judges its backups.",
            remedy=f"Run 'pgbackstop expire {name}', or take the plan out of the configuration.",
        )
    if name not in workspace.catalog.plans():
        known = ", ".join(each.name for each in found(workspace)) or "none"
        raise errors.NotFound(
            f"There is no backup of a plan {name!r} on record.",
            remedy=f"Removed plans that keep backups: {known}.",
        )
    kept = _kept(workspace, name)
    if strange := sorted({each.server for each in kept if not workspace.is_own(each.server)}):
        raise errors.ConfigError(
            f"Plan {name} has backups of server {strange[0]}, which is not in this configuration: in a "
            "catalog that hosts share the plan may be another host's. Nothing was changed.",
            remedy="Say it on the host of that server, or configure the server here.",
        )
    return RemovedPlan(name=name, backups=kept)


def _kept(workspace: Workspace, name: str) -> tuple[Backup, ...]:
    return tuple(each for each in workspace.catalog.backups(name) if each.is_available)
