"""What the table of due runs holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pgbackstop_runner.daemon.plan_state import Order, Trigger


class State(StrEnum):
    """How a due time stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISSED = "missed"
    WITHDRAWN = "withdrawn"  # its plan was paused before it ran


@dataclass(frozen=True, kw_only=True)
class Key:
    """A due time of a plan."""

    plan: str
    due: datetime


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a run takes room of, and the queue of the workers near it."""

    server: str
    storage: str
    queue: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """Word of a due time for the workers of its queue, in its turn: who has waited longest comes first."""

    key: Key
    queue: str
    asked: datetime


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A claimed run: only who holds this number may change it."""

    key: Key
    number: int
    trigger: Trigger
    worker: str
    started: datetime

    @property
    def host(self) -> str:
        """The host of its worker, by whose clock it started and its records are dated."""
        return self.worker.rsplit(":", 2)[0]

    @property
    def order(self) -> Order:
        """The run as the daemon knows it."""
        return Order(plan=self.key.plan, trigger=self.trigger, asked=self.key.due, due=self.key.due)


@dataclass(frozen=True, kw_only=True)
class Active:
    """A due time that waits or runs."""

    key: Key
    state: State
    trigger: Trigger
    asked: datetime

    @property
    def order(self) -> Order:
        """The run as the daemon knows it."""
        return Order(plan=self.key.plan, trigger=self.trigger, asked=self.asked, due=self.key.due)


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """What is known of a plan's schedule: due times after ``handled_until`` count."""

    schedule: str
    handled_until: datetime


ScheduledPlans = Mapping[str, Scheduled]
