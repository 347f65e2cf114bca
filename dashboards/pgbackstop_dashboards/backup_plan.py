"""The dashboard "Backup Plan": everything about one plan."""

from pgbackstop_dashboards import annotations, links, panels, promql, variables
from pgbackstop_dashboards.model import Dashboard, Panel, Query, Row
from pgbackstop_dashboards.rows import copies, current_state, history, proofs, sizes

_NAME = "{{plan}} {{database}}"


def page() -> Dashboard:
    """From how it is now to how it was, and what is proven."""
    return Dashboard(
        uid=links.PLAN_UID,
        title="Backup Plan",
        description="One plan of backups: its state, runs, sizes, copies and proofs.",
        variables=variables.choices(one_plan=True),
        annotations=annotations.ALL,
        rows=(current_state.row(), _history(), sizes.row(), copies.row(), proofs.row()),
        links=links.OUTSIDE,
    )


def _history() -> Row:
    events = (history.ended(), history.failed(), history.missed())
    return Row(title="History", panels=(history.states(), _age(), _written(), *events))


def _age() -> Panel:
    return panels.lines(
        "Age of the newest backup",
        "Grows until the next success. Dashed: the plan's limit, at which it is too old.",
        Query(expr=promql.each_plan(promql.age()), legend=_NAME),
        Query(expr=promql.each_plan(promql.plan("backup_max_age_seconds")), legend=f"{_NAME} limit"),
        unit="s",
    )


def _written() -> Panel:
    return panels.lines(
        "Written by the running backup",
        "Bytes that a running backup has written so far. Dashed: the forecast of what it will write.",
        Query(expr=promql.each_plan(promql.plan("backup_progress_bytes")), legend=_NAME),
        Query(
            expr=promql.each_plan(promql.plan("backup_progress_expected_bytes")), legend=f"{_NAME} forecast"
        ),
        unit="bytes",
    )
