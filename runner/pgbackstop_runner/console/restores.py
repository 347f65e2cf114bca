"""The restores on record, read for the pages. Reads files: call it in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice, takewhile
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.text import said
from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.restore import undo
from pgbackstop_runner.workspace import Workspace

PAGE: Final = 50
RESTORING: Final = frozenset({"restore", "undo", "drop", "recover"})


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of restores, the newest first; ``older`` is where the next one begins, or ""."""

    shown: tuple[Restore, ...]
    older: str


def page(workspace: Workspace, before: str) -> Page:
    """The restores below that id, or the newest. Raises CatalogError."""
    every: Iterator[Restore] = workspace.catalog.restores()
    if before:
        every = dropwhile(lambda each: each.id >= before, every)
    found = tuple(islice(every, PAGE + 1))
    return Page(shown=found[:PAGE], older=found[PAGE - 1].id if len(found) > PAGE else "")


def one(workspace: Workspace, restore_id: str) -> Restore:
    """The restore of exactly that id. Raises NotFound, CatalogError."""
    found = undo.find(workspace, restore_id)
    if found.id != restore_id:
        raise errors.NotFound(said("There is no restore {id!r}.", id=restore_id))
    return found


def of_operation(workspace: Workspace, operation: Operation) -> Restore | None:
    """What the operation restores, or undoes; None before its record is begun, and for all others.

    Raises CatalogError.
    """
    if operation.verb not in RESTORING:
        return None
    if operation.restore:
        return one(workspace, operation.restore)
    recent = takewhile(lambda each: each.started_at >= operation.started_at, workspace.catalog.restores())
    # The first one since: its number may have been another's later.
    found = [each for each in recent if each.pid == operation.pid is not None]
    return found[-1] if found else None
