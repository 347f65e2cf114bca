"""The backups of a plan over time: how they grow, how long they stay. Reads files: call it in a thread."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pgbackstop_catalog import units
from pgbackstop_catalog.decisions.retention import Verdict
from pgbackstop_catalog.store.summary import BackupSummary
from pgbackstop_catalog.text import Said, word
from pgbackstop_runner.console import facts, plot
from pgbackstop_runner.console.plot import Plot, Run
from pgbackstop_runner.expire import run
from pgbackstop_runner.workspace import Workspace

# Three months of daily runs; and no more records are looked at for them, of all databases together.
_MOST: Final = 92
_LOOKED_AT: Final = 2000


@dataclass(frozen=True, kw_only=True)
class History:
    """The last ended runs of one database of a plan, the oldest first, and their plots.

    ``databases`` are all that its last runs had; ``database`` is "" for a whole server.
    """

    database: str
    databases: tuple[str, ...]
    runs: tuple[BackupSummary, ...]
    size: Plot | None
    duration: Plot | None


def read(workspace: Workspace, plan: str, database: str = "") -> History:
    """Of that database, or of the one that was run last. Raises NotFound, CatalogError."""
    workspace.plan(plan)
    every = tuple(islice(facts.summaries(workspace, plan), _LOOKED_AT))
    databases = tuple(dict.fromkeys(each.database for each in every if each.database))
    chosen = database or (databases[0] if databases else "")
    mine = [each for each in every if each.database in {chosen, ""} and each.status != "running"]
    last = tuple(reversed(mine[:_MOST]))
    return History(
        database=chosen,
        databases=tuple(sorted(databases)),
        runs=last,
        size=plot.plot(word("Size"), [_run(each, each.size_bytes) for each in last], _size),
        duration=plot.plot(word("Duration"), [_run(each, each.duration_seconds) for each in last], _took),
    )


def _run(each: BackupSummary, value: float | None) -> Run:
    succeeded = each.status == "succeeded"
    return Run(id=each.id, state=each.state, at=each.started_at, value=value if succeeded else None)


def _size(value: float) -> Said:
    return units.format_size(int(value))


def _took(value: float) -> Said:
    return units.format_duration(value)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One page of what retention says of a plan's backups, the newest first; nothing is removed by that.

    ``goes`` and ``goes_bytes`` are of all pages; ``older`` is where the next page begins, or "". ``seen`` is
    another where something else would go.
    """

    verdicts: tuple[Verdict, ...]
    stays: int
    goes: int
    goes_bytes: int
    older: str
    seen: str


def retention(workspace: Workspace, plan: str, before: str = "", limit: int = facts.PAGE) -> Kept:
    """What ``pgbackstop expire --dry-run`` says of the backups themselves. Raises NotFound, CatalogError."""
    own = (each for each in run.decide(workspace, plan) if each.storage is None)
    every = sorted(own, key=lambda each: each.backup.id, reverse=True)
    going = [each for each in every if not each.kept]
    found = [each for each in every if not before or each.backup.id < before]
    return Kept(
        verdicts=tuple(found[:limit]),
        stays=len(every) - len(going),
        goes=len(going),
        goes_bytes=sum(each.backup.size_bytes or 0 for each in going),
        older=found[limit - 1].backup.id if len(found) > limit else "",
        seen=hashlib.sha256(" ".join(each.backup.id for each in going).encode()).hexdigest()[:16],
    )
