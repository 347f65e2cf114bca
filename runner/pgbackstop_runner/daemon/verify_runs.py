"""Reading stored backups again when that is due, as a child process.

A due time is handled when a proof is on record for it. A night that was missed is not made up for later than
in an hour: what was not read then is the first of the next one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgbackstop_catalog.config import schedule
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.daemon.one_child import OneChild
from pgbackstop_runner.daemon.plan_state import CREDIBLE
from pgbackstop_runner.daemon.settings import Settings, VerifyOrder
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

GRACE = timedelta(hours=1)
# An older due time could only be caught up with too late.
_LOOKS_BACK = 2 * CREDIBLE


@dataclass
class Rereads:
    """What is due and waits, and the child that reads."""

    settings: Settings
    child: OneChild
    _waiting: VerifyOrder | None = None
    _handled: datetime | None = None

    def look(self, workspace: Workspace, now: datetime) -> None:
        """Look at the clock, and start what is due where nothing runs. Raises CatalogError."""
        if not workspace.config.verify.enabled:
            self._waiting = self._handled = None
            return
        self._observe(workspace, now)
        if self._waiting is not None and self.child.is_free():
            order, self._waiting = self._waiting, None
            self.child.start(self.settings.verify(workspace, order), due=format_time(order.due))

    def _observe(self, workspace: Workspace, now: datetime) -> None:
        handled = self._handled or newest_due(workspace, now) or now
        if handled - now > CREDIBLE:
            handled = now
        decision = schedule.decide(
            workspace.config.verify.effective_schedule(), handled_until=handled, now=now, grace=GRACE
        )
        self._handled = max(handled, decision.run or handled, *decision.missed[-1:])
        if decision.run is not None:
            self._waiting = VerifyOrder(due=decision.run, catch_up=decision.catch_up)
            log.logger().info("verify due", due=format_time(decision.run), reason=decision.reason)


def newest_due(workspace: Workspace, now: datetime) -> datetime | None:
    """The newest due time of a verify on record; the ones of a clock that was wrong do not count."""
    return max(
        (
            proof.scheduled_for
            for plan in workspace.own_plans()
            for proof in itertools.takewhile(
                lambda each: each.started_at >= now - _LOOKS_BACK, workspace.catalog.proofs(plan)
            )
            if proof.proof == "verify" and proof.scheduled_for and proof.scheduled_for - now <= CREDIBLE
        ),
        default=None,
    )
