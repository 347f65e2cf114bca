"""The dashboard "Backup Plan": everything about one plan and one of its databases."""

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
        variables=variables.one_plan(),
        annotations=annotations.ALL,
        rows=(
            current_state.row(),
            Row(title="History", panels=(history.states(), _age(), _written(), *history.events())),
            sizes.of_one_plan(),
            copies.row(),
            proofs.row(),
            proofs.graphs(one_plan=True),
        ),
        links=links.OUTSIDE,
    )


def _age() -> Panel:
    return panels.lines(
        "Age of the newest backup",
        "Grows until the next success. Dashed: the plan's limit, at which it is too old.",
        Query(expr=promql.each_plan(promql.age()), legend=_NAME),
        Query(expr=promql.each_plan(promql.plan("backup_max_age_seconds")), legend=f"{_NAME} limit"),
        unit="dtdurations",
        decimals=1,
    )


def _written() -> Panel:
    expected = promql.each_plan(promql.plan("backup_progress_expected_bytes"))
    none = promql.each_plan(f"0 * {promql.plan('backup_enabled')}")
    return panels.lines(
        "Written by the running backup",
        "Bytes that a running backup has written so far; 0 while none runs. Dashed: the forecast of what it "
        "will write.",
        Query(expr=f"{promql.each_plan(promql.plan('backup_progress_bytes'))} or {none}", legend=_NAME),
        Query(expr=expected, legend=f"{_NAME} forecast"),
        unit="decbytes",
    )
