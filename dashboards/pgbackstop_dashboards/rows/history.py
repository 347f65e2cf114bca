"""What happened: the state of every plan over the time, and how its runs ended."""

from __future__ import annotations

from pgbackstop_dashboards import panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row


def row() -> Row:
    """Of a fleet: the plans that were not well at some time, and the runs."""
    return Row(title="What happened", panels=(_states_not_well(), *events()))


def states() -> Panel:
    """The state of one plan over the time."""
    return panels.timeline(
        "State over the time",
        "When the plan was well and when not.",
        Query(expr=promql.state(), legend="{{plan}} {{database}}"),
        words=theme.STATES,
        height=5,
    )


def _states_not_well() -> Panel:
    """A band for each of 50 plans that were all well would hide the one that was not."""
    worst = f"max_over_time(({promql.state()})[$__range:$__interval] @ end())"
    was_not_well = f"({promql.state()}) and on ({promql.PLAN_LABELS}) ({worst} >= {promql.NEEDS_SOMEBODY})"
    others = promql.constant(promql.OK, promql.plan("backup_enabled"))
    return panels.timeline(
        "Plans that were not well",
        "When each plan that was not well at some time was well and when not; all others are the one band "
        "below them, which ends where no exporter answers.",
        Query(expr=was_not_well, legend="{{plan}} {{database}}"),
        Query(expr=others, legend="every other plan"),
        words=theme.STATES,
    )


def events() -> tuple[Panel, ...]:
    """How runs ended, and those that did not start."""
    return (
        panels.bars(
            "Attempts that ended",
            "Runs that ended, well or badly.",
            Query(expr=f"sum by (plan) ({_steps('backup_runs_total')})", legend="{{plan}}"),
        ),
        panels.bars(
            "Failures by reason",
            "Runs that failed, by the runner's reason. `pgbackstop list` shows each with its last words.",
            Query(
                expr=f"sum by (reason) ({_steps('backup_run_failures_total')}) > 0 or {_none('reason')}",
                legend="{{reason}}",
            ),
        ),
        panels.bars(
            "Runs that did not start",
            "Runs that were due and did not start in time: the daemon was stopped, or the host was down.",
            Query(expr=f"sum by (plan) ({_steps('backup_missed_runs_total')})", legend="{{plan}}"),
        ),
    )


def _steps(counter: str) -> str:
    return promql.steps(promql.plan(counter))


def _none(label: str) -> str:
    """A zero where nothing happened, and nothing where nothing is known."""
    return f'label_replace({promql.constant(0, promql.plan("backup_enabled"))}, "{label}", "none", "", "")'
