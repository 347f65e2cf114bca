"""What the daemon starts and how patient it is: arguments with real defaults."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog.model import format_time
from pgbackstop_runner.daemon.plan_state import Order
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class DrillOrder:
    """A drill to be made for a due time."""

    plan: str
    due: datetime
    catch_up: bool


@dataclass(frozen=True, kw_only=True)
class VerifyOrder:
    """Stored backups to be read again for a due time."""

    due: datetime
    catch_up: bool


def backup_command(workspace: Workspace, order: Order) -> list[str]:
    """``pgbackstop backup PLAN``, in this Python."""
    due = ["--scheduled-for", format_time(order.due)] if order.due is not None else []
    return [*_ourselves(workspace), "backup", order.plan, "--trigger", order.trigger, *due]


def receive_command(workspace: Workspace, server: str) -> list[str]:
    """``pgbackstop wal receive SERVER``, in this Python."""
    return [*_ourselves(workspace), "wal", "receive", server]


def copy_wal_command(workspace: Workspace, server: str) -> list[str]:
    """``pgbackstop wal copy SERVER``, in this Python."""
    return [*_ourselves(workspace), "wal", "copy", server]


def drill_command(workspace: Workspace, order: DrillOrder) -> list[str]:
    """``pgbackstop drill PLAN``, in this Python."""
    return [*_ourselves(workspace), "drill", order.plan, *_scheduled(order)]


def verify_command(workspace: Workspace, order: VerifyOrder) -> list[str]:
    """``pgbackstop verify --due``, in this Python."""
    return [*_ourselves(workspace), "verify", "--due", *_scheduled(order)]


def _scheduled(order: DrillOrder | VerifyOrder) -> list[str]:
    trigger = "catch-up" if order.catch_up else "schedule"
    return ["--trigger", trigger, "--scheduled-for", order.due.isoformat()]


def _ourselves(workspace: Workspace) -> list[str]:
    return [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(workspace.file)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Commands, and times in seconds."""

    backup: Callable[[Workspace, Order], list[str]] = backup_command
    drill: Callable[[Workspace, DrillOrder], list[str]] = drill_command
    verify: Callable[[Workspace, VerifyOrder], list[str]] = verify_command
    receive: Callable[[Workspace, str], list[str]] = receive_command
    copy_wal: Callable[[Workspace, str], list[str]] = copy_wal_command
    # The longest sleep: the heartbeat's pace, and how late a jump of the clock is noticed.
    heartbeat: float = 5.0
    # How long a plan that runs by hand is left alone before it is tried again.
    busy_pause: float = 30.0
    # Receivers and notifications are tried again after pauses that double up to the longest.
    first_pause: float = 1.0
    longest_pause: float = 60.0
    healthy: float = 60.0
    # How long a drill or a verify may take to clean up when the daemon is stopped.
    child_stop: float = 30.0
    # How often running records are looked for whose process is gone.
    abandoned_pause: float = 60.0
    # A base backup for a gap in the WAL that failed is tried again after this.
    gap_pause: float = 3600.0
