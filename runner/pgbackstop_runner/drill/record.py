"""The record of a drill, from the line that says it runs to its last one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status, Step
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import CheckResult, DrillKind, Proof
from pgbackstop_runner import failures
from pgbackstop_runner.drill.work_directory import InsufficientSpace
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system import log, meter, origin
from pgbackstop_runner.workspace import Workspace

Trigger = Literal["manual", "schedule", "catch-up"]


@dataclass
class Drill:
    """The drill that is being made."""

    workspace: Workspace
    proof: Proof
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(
        cls,
        workspace: Workspace,
        backup: Backup,
        kind: DrillKind,
        *,
        trigger: Trigger,
        scheduled_for: datetime | None,
    ) -> Drill:
        """On record before anything is done. Raises CatalogError."""
        proof = Proof.of(backup, "drill", started_at=utc_now()).evolve(
            drill=kind, trigger=trigger, scheduled_for=scheduled_for, **origin.here()
        )
        drill = cls(workspace=workspace, proof=proof)
        drill._save()
        return drill

    def note(self, **changes: object) -> None:
        """Change the record in memory; it is written at its end."""
        self.proof = self.proof.evolve(**changes)

    def check(self, *results: CheckResult) -> None:
        """Keep what was checked."""
        self.note(checks=(*self.proof.checks, *results))

    def reads(self, source: Source) -> None:
        """Keep whose bytes are proven, and why those; what is wrong with nearer ones is told."""
        why = " ".join((f"{source.reason}.", *source.passed_over)) if source.passed_over else source.reason
        self.note(copy_in=source.storage, source_reason=why)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; one log line."""
        start = time.monotonic()
        with meter.measured(name):
            yield
        seconds = round(time.monotonic() - start, 3)
        self.note(steps=(*self.proof.steps, Step(name=name, duration_seconds=seconds)))
        log.logger().info(name, drill=self.proof.id, duration_seconds=seconds)

    def require_good(self) -> None:
        """Stop the clock: the server answers and was checked. Raises AttemptFailed where a check failed."""
        self.note(duration_seconds=round(time.monotonic() - self.started, 3))
        wrong = [f"{each.name}: {each.detail}" for each in self.proof.checks if not each.ok]
        if wrong:
            raise AttemptFailed(
                Reason.CORRUPT,
                f"What was restored from backup {self.proof.backup} is not what it must be: "
                f"{'; '.join(wrong)}.",
                remedy="Make a new backup, and look at the disk of the storage.",
            )

    def succeed(self) -> Proof:
        """Close the record as succeeded."""
        return self._close(Status.SUCCEEDED)

    def fail(self, error: errors.Ending, *, reason: Reason | None = None) -> Proof:
        """Close the record with why it failed; without a ``reason``, the one that the error speaks of."""
        interrupted = isinstance(error, errors.Interrupted)
        self.note(message=str(error), reason=reason or reason_of(error), proven_until=None)
        return self._close(Status.INTERRUPTED if interrupted else Status.FAILED)

    def _close(self, status: Status) -> Proof:
        seconds = self.proof.duration_seconds or round(time.monotonic() - self.started, 3)
        self.note(status=status, finished_at=utc_now(), duration_seconds=seconds)
        self._save()
        level = log.logger().info if status is Status.SUCCEEDED else log.logger().error
        level(
            f"drill {status}",
            drill=self.proof.id,
            kind=self.proof.drill,
            plan=self.proof.plan,
            backup=self.proof.backup,
            duration_seconds=seconds,
            rpo_seconds=self.proof.rpo_seconds,
            message=self.proof.message or None,
        )
        return self.proof

    def _save(self) -> None:
        self.workspace.catalog.put(self.proof)


def reason_of(error: errors.Ending) -> Reason:
    """The reason that goes on record."""
    if isinstance(error, InsufficientSpace):
        return Reason.SPACE
    if isinstance(error, errors.ValidationError | errors.ConfigError):
        return Reason.CLIENT  # something is not installed here
    return failures.first_reason(error)
