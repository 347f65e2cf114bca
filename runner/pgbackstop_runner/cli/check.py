"""``pgbackstop check``: what the backups need, and whether it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

if TYPE_CHECKING:
    from pgbackstop_runner.backup.preflight_report import Report
    from pgbackstop_runner.system.jail_choice import Choice
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=options.examples("check", "check shop-logical --json"))
def check(
    plan: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="Only this plan.", autocompletion=completion.plans)
    ] = None,
    json: options.Json = False,
) -> None:
    """Check everything that the backups need, without making one. Exit code 3 when something is missing."""
    opened = options.open_logged()
    options.step_down(opened)
    from pgbackstop_runner.backup import exposure, preflight  # noqa: PLC0415 - psycopg and what hangs on it

    names = [plan] if plan is not None else list(opened.config.plans)
    reports = [preflight.bounded(opened, name) for name in names]
    warnings = {report.plan: [*report.warnings, *_drill_warnings(opened, report)] for report in reports}
    confinement = _confinement(opened)
    if json:
        terminal.document([_document(report, warnings[report.plan], confinement) for report in reports])
    else:
        for report in reports:
            _show_report(report, warnings[report.plan])
        terminal.say(f"jail of drills: {confinement.mechanism} ({confinement.reason})")
    for warning in exposure.warnings(opened.config):
        terminal.complain(f"warning: {warning}")
    if not all(report.ok for report in reports):
        raise typer.Exit(errors.ValidationError.exit_code)


def _show_report(report: Report, warnings: list[str]) -> None:
    terminal.say(f"plan {report.plan}")
    columns = (
        terminal.Column(title="", state=True),
        terminal.Column(title="check"),
        terminal.Column(title="found"),
    )
    terminal.table(columns, [("ok" if one.ok else "NO", one.name, one.detail) for one in report.checks])
    for one in report.checks:
        if not one.ok and one.remedy:
            terminal.say(f"  → {one.remedy}")
    for warning in warnings:
        terminal.say(f"  warning: {warning}")
    terminal.say()


def _document(report: Report, warnings: list[str], confinement: Choice) -> dict[str, object]:
    fields = ("name", "ok", "detail", "remedy", "database")
    checks = [{field: getattr(check, field) for field in fields} for check in report.checks]
    return {
        "plan": report.plan,
        "ok": report.ok,
        "databases": report.databases,
        "checks": checks,
        "jail": {"mechanism": confinement.mechanism, "reason": confinement.reason},
        "warnings": warnings,
    }


def _confinement(opened: Workspace) -> Choice:
    """What a drill would run in here, and why that."""
    from pgbackstop_runner.system import jail, jail_choice  # noqa: PLC0415 - it asks what the host has

    return jail_choice.choose(jail.host(), opened.config.drills.jail)


def _drill_warnings(opened: Workspace, report: Report) -> Iterator[str]:
    """Backups need client tools alone, drills the server's programs as well: their lack fails no backup."""
    from pgbackstop_runner.drill import empty_server  # noqa: PLC0415
    from pgbackstop_runner.postgres import client_programs  # noqa: PLC0415
    from pgbackstop_runner.system import jail_choice  # noqa: PLC0415

    plan = opened.config.plans[report.plan]
    if not plan.drill.enabled:
        return
    where = opened.config.drills
    choice = _confinement(opened)
    if choice.mechanism == "none" and where.unconfined:
        yield (
            f"drills run what the database contains without a jail ({choice.reason}): "
            "whoever owns a table can do what this account can."
        )
        return
    if report.facts is None:
        return
    needed = empty_server.LOGICAL_PROGRAMS if plan.is_logical else empty_server.PHYSICAL_PROGRAMS
    try:
        jail_choice.require(choice, unconfined=where.unconfined)
        client_programs.of_server(report.facts.major, needed, opened.config.servers[plan.server].bin_dir)
    except errors.ConfigError as error:
        yield f"drills of this plan will fail. {error}"
