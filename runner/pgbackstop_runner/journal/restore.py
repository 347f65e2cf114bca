"""The restore's record, from its first line, before anything is touched, to its last."""

from __future__ import annotations

import contextlib
import getpass
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status, Step
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner import failures
from pgbackstop_runner.system import log, meter, origin
from pgbackstop_runner.workspace import Workspace

# The variable in which whoever starts us for somebody names them.
OPERATOR: Final = "PGBACKSTOP_OPERATOR"


@dataclass
class Journal:
    """The restore that is being made."""

    workspace: Workspace
    record: Restore
    started: float = field(default_factory=time.monotonic)

    def note(self, **changes: object) -> None:
        """Change the record in memory; it is written when the next step begins, or at the end."""
        self.record = self.record.evolve(**changes)

    def warn(self, text: str) -> None:
        """Keep a warning on the record, and log it."""
        log.logger().warning(text, restore=self.record.id)
        self.note(warnings=(*self.record.warnings, text))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Write that the step begins, so that a crash in it is understood; time it; one log line."""
        self.note(step=name)
        self.save()
        start = time.monotonic()
        with meter.measured(name):
            yield
        seconds = round(time.monotonic() - start, 3)
        self.note(steps=(*self.record.steps, Step(name=name, duration_seconds=seconds)))
        log.logger().info(name, restore=self.record.id, target=self.record.target, duration_seconds=seconds)

    def save(self) -> None:
        """Write the record durably. Raises CatalogError."""
        self.workspace.catalog.put(self.record)

    def succeed(self) -> Restore:
        """Close the record as succeeded."""
        return self._close(Status.SUCCEEDED)

    def fail(self, error: errors.Ending) -> Restore:
        """Close the record with why it failed."""
        interrupted = isinstance(error, errors.Interrupted)
        self.note(message=str(error), reason=failures.first_reason(error))
        return self._close(Status.INTERRUPTED if interrupted else Status.FAILED)

    def _close(self, status: Status) -> Restore:
        seconds = round(time.monotonic() - self.started, 3)
        self.note(status=status, step="", finished_at=utc_now(), duration_seconds=seconds)
        self.save()
        level = log.logger().info if status is Status.SUCCEEDED else log.logger().error
        record = self.record
        level(
            f"restore {status}",
            restore=record.id,
            backup=record.backup,
            target=record.target,
            duration_seconds=seconds,
            downtime_seconds=record.downtime_seconds,
            message=record.message or None,
        )
        return record


def reread(workspace: Workspace, restore: Restore) -> Restore:
    """The record as it is now: whoever holds the lock may have waited long. Raises NotFound, CatalogError."""
    for each in workspace.catalog.restores(restore.server):
        if each.id == restore.id:
            return each
    raise errors.NotFound(f"The record of restore {restore.id} was removed.")


def operator() -> str:
    """Who restores: the user of the console, or the person's account, behind sudo too."""
    try:
        return os.environ.get(OPERATOR) or os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # an account without a name, as in containers


def here() -> dict[str, object]:
    """Who restores, where, and in which process."""
    return {"operator": operator(), **origin.here()}
