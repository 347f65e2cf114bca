"""Who may run, what becomes of a run whose worker is lost, and who receives whose WAL. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.daemon import due_times
from pgbackstop_runner.daemon.plan_state import PlanState
from pgbackstop_runner.fleet.values import Active, State


@dataclass(frozen=True, kw_only=True)
class Running:
    """How many runs go now, on all workers: of the plan, of its server, into its storage."""

    of_plan: int
    of_server: int
    into_storage: int


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many may."""

    per_server: int
    per_storage: int


def refusal(running: Running, limits: Limits) -> str:
    """Why there is no room for a run now; empty where there is."""
    if running.of_plan:
        return "the run before is still going"
    if running.of_server >= limits.per_server:
        return f"{running.of_server} of {limits.per_server} runs of the server are going"
    if running.into_storage >= limits.per_storage:
        return f"{running.into_storage} of {limits.per_storage} runs into the storage are going"
    return ""


def plan_state(plan: str, handled_until: datetime, active: Iterable[Active]) -> PlanState:
    """The state of a plan as the daemon decides upon it."""
    orders = {each.state: each.order for each in active}
    return PlanState(
        plan=plan,
        handled_until=handled_until,
        running=orders.get(State.RUNNING),
        waiting=orders.get(State.QUEUED),
    )


@dataclass(frozen=True, kw_only=True)
class Waits:
    """What a plan's due times look like behind an attempt of it."""

    is_scheduled: bool
    newer: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a due time stands after an attempt, and why."""

    state: State
    reason: str


def once_more(waits: Waits, reason: str, *, otherwise: State) -> Verdict:
    """Return that it waits again, unless its plan was paused or a newer due time has taken its place."""
    if not waits.is_scheduled:
        return Verdict(state=State.WITHDRAWN, reason=f"{reason}; the plan was paused")
    if waits.newer:
        return Verdict(state=otherwise, reason=f"{reason}; the next run waited already")
    return Verdict(state=State.QUEUED, reason=reason)


def after_death(records: Iterable[Backup], waits: Waits, *, deaths: int, most: int) -> Verdict:
    """What becomes of a run whose worker gave no sign for too long.

    ``records`` are those that the attempt left, none of them running any more; ``deaths`` counts this one.
    A run that came to its end is not made twice for a worker that could not say so.
    """
    left = tuple(records)
    found = {record.status for record in left}
    if Status.INTERRUPTED not in found and due_times.is_told(left):
        ended = State.SUCCEEDED if found == {Status.SUCCEEDED} else State.FAILED
        return Verdict(state=ended, reason="its worker was lost, and its records say that it had ended")
    if deaths >= most:
        return Verdict(state=State.FAILED, reason=f"given up after {deaths} lost workers")
    return once_more(waits, "its worker was lost", otherwise=State.FAILED)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the process of an attempt ended: its last words, and whether its worker had told it to."""

    exit_status: int
    words: str = ""
    was_stopped: bool = False

    @property
    def was_busy(self) -> bool:
        """Whether it did not begin, because the plan was run by hand."""
        return self.exit_status == errors.Busy.exit_code

    @property
    def was_cut_short(self) -> bool:
        """Whether it ended because its worker was to stop, not by itself."""
        return self.was_stopped and self.exit_status in due_times.KILLED


def after_end(ended: Ended, waits: Waits, *, has_records: bool) -> Verdict:
    """What becomes of a run whose process has ended."""
    if ended.was_cut_short:
        return once_more(waits, "handed back by a worker that was stopped", otherwise=State.FAILED)
    if ended.was_busy and not has_records:
        return once_more(waits, "a run started by hand was still going", otherwise=State.MISSED)
    state = State.SUCCEEDED if ended.exit_status == 0 else State.FAILED
    return Verdict(state=state, reason=f"exit status {ended.exit_status}")


@dataclass(frozen=True, kw_only=True)
class WalLease:
    """Which worker receives the WAL of a server, whether that is over, and what ``state`` it told last."""

    server: str
    worker: str
    is_over: bool
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class WalRoom:
    """How many receivers more a worker may have, and how many of them it may begin at once."""

    most: int
    at_once: int


def leases_to_take(
    able: Iterable[str], leases: Iterable[WalLease], *, worker: str, room: WalRoom
) -> tuple[str, ...]:
    """The servers whose WAL a worker should begin to receive, of those that it is ``able`` to.

    Few at a time, and in an order of its own, so that workers that look at the same time share them.
    """
    taken = {lease.server for lease in leases if not lease.is_over}
    free = sorted(set(able) - taken, key=lambda server: zlib.crc32(f"{worker} {server}".encode()))
    return tuple(free[: max(0, min(room.most, room.at_once))])
