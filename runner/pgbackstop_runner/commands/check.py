"""``pgbackstop check``: what the backups need, and whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import screen
from pgbackstop_runner.commands import options

if TYPE_CHECKING:
    from pgbackstop_runner.validate import Report

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def check(
    plan: Annotated[str | None, typer.Argument(metavar="[PLAN]", help="Only this plan.")] = None,
    json: options.Json = False,
) -> None:
    """Check everything that the backups need, without making one. Exit code 3 when something is missing."""
    opened = options.open_workspace()
    from pgbackstop_runner import validate  # noqa: PLC0415 - psycopg and what hangs on it

    names = [plan] if plan is not None else list(opened.config.plans)
    reports = [validate.check(opened, name) for name in names]
    if json:
        screen.document([_document(report) for report in reports])
    else:
        for report in reports:
            _show_report(report)
    if not all(report.ok for report in reports):
        raise typer.Exit(errors.ValidationError.exit_code)


def _show_report(report: Report) -> None:
    screen.say(f"plan {report.plan}")
    columns = (screen.Column(title=""), screen.Column(title="check"), screen.Column(title="found"))
    screen.table(columns, [("ok" if one.ok else "NO", one.name, one.detail) for one in report.checks])
    for one in report.checks:
        if not one.ok and one.remedy:
            screen.say(f"  → {one.remedy}")
    screen.say()


def _document(report: Report) -> dict[str, object]:
    fields = ("name", "ok", "detail", "remedy", "database")
    checks = [{field: getattr(check, field) for field in fields} for check in report.checks]
    return {"plan": report.plan, "ok": report.ok, "databases": report.databases, "checks": checks}
