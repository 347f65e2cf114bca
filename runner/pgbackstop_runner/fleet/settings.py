"""What a worker starts and how patient it is: arguments with real defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pgbackstop_runner.daemon import settings as daemon_settings
from pgbackstop_runner.daemon.plan_state import Order
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Commands, and times in seconds.

    A worker that is cut off has ended its runs after ``lost_after`` and ``kill_after``; elsewhere they are
    begun after ``reaped_after``, which is longer than both.
    """

    backup: Callable[[Workspace, Order], list[str]] = daemon_settings.backup_command
    # The pace of heartbeats, and how late a due time or a lost attempt is noticed at most.
    heartbeat: float = 5.0
    # Without an answer of the database for this long, its runs may be another worker's soon.
    lost_after: float = 30.0
    # How long a run may take to end when it is told to.
    kill_after: float = 10.0
    # A run without a heartbeat for this long is taken from its worker; so long is a lease on WAL, too.
    reaped_after: float = 60.0
    # How many receivers of WAL are begun in one look; other workers look as often, and take their share.
    leases_at_once: int = 10
    # How often a worker may die under a run before it is given up.
    most_deaths: int = 3
    # How long a run that has no room waits until it is looked at again, and one that runs by hand.
    room_pause: float = 5.0
    busy_pause: float = 30.0
    # A run in the queue whose task is gone gets another task after this.
    forgotten_after: float = 30.0
    # Between tries to reach the database.
    retry_pause: float = 1.0
    # How long a worker that died, and that nobody started anew, is told of.
    dead_kept: timedelta = timedelta(days=1)
    # How long finished runs stay in the table; the records say more, and stay longer.
    kept: timedelta = timedelta(days=35)
