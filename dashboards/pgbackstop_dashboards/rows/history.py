"""What happened: the state of every plan over the time, and how its runs ended."""

from __future__ import annotations

from pgbackstop_dashboards import panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row


def row() -> Row:
    """The state over the time, and the runs."""
    return Row(title="History", panels=(states(), ended(), failed(), missed()))


def states() -> Panel:
    """The state of each plan over the time."""
    return panels.timeline(
        "State over the time",
        "When each plan was well and when not. The marks over it are backups, failures, drills and alerts.",
        Query(expr=promql.state(), legend="{{plan}} {{database}}"),
        words=theme.STATES,
    )


def ended() -> Panel:
    """Attempts by plan."""
    return panels.bars(
        "Attempts that ended",
        "Runs that ended, well or badly.",
        Query(expr=f"sum by (plan) ({_increase('backup_runs_total')})", legend="{{plan}}"),
    )


def failed() -> Panel:
    """Failures by reason."""
    return panels.bars(
        "Failures by reason",
        "Runs that failed, by the runner's reason. `pgbackstop list` shows each with its last words.",
        Query(expr=f"sum by (reason) ({_increase('backup_run_failures_total')}) > 0", legend="{{reason}}"),
    )


def missed() -> Panel:
    """Runs that did not start."""
    return panels.bars(
        "Runs that did not start",
        "Runs that were due and did not start in time: the daemon was stopped, or the host was down.",
        Query(expr=f"sum by (plan) ({_increase('backup_missed_runs_total')})", legend="{{plan}}"),
    )


def _increase(counter: str) -> str:
    return f"increase({promql.plan(counter)}[$__rate_interval])"
