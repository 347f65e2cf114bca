"""``pgbackstop doctor``: what this machine lacks, and how to get it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_runner.doctor.findings import Finding

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = (
    terminal.Column(title="", state=True),
    terminal.Column(title="WHAT"),
    terminal.Column(title="FOUND"),
)
_WORDS = {"ok": "ok", "missing": "MISSING", "advice": "advice", "unknown": "?"}


@app.command(epilog=options.examples("doctor", "doctor --json"))
def doctor(json: options.Json = False) -> None:
    """Say what is missing on this machine, and how to get it: tools, jail, storages, clock.

    Without a configuration it looks for what everybody needs. What the server and the plans need is
    'pgbackstop check'. Exit code 0 when nothing is missing, 3 when something is that backups, drills or
    recoveries will fail without.
    """
    found = _examine()
    from pgbackstop_runner.doctor import findings  # noqa: PLC0415

    complete = findings.is_complete(found)
    if json:
        terminal.document({"ok": complete, "findings": [dataclasses.asdict(each) for each in found]})
    else:
        terminal.table(_COLUMNS, [(_WORDS[each.state], each.what, each.found) for each in found])
        for each in found:
            if each.remedy:
                terminal.say(f"  → {each.what}: {each.remedy}")
    if not complete:
        raise typer.Exit(errors.ValidationError.exit_code)


def _examine() -> list[Finding]:
    from pgbackstop_catalog.config import locate  # noqa: PLC0415
    from pgbackstop_runner.doctor import examine  # noqa: PLC0415 - psycopg and what hangs on it
    from pgbackstop_runner.doctor.findings import Finding  # noqa: PLC0415

    packages = examine.packages()
    try:
        locate.find(options.Given.config)
    except errors.ConfigError as error:
        remedy = "'pgbackstop init' writes one."
        none = Finding(what="configuration", state="advice", found=error.problem, remedy=remedy)
        return [none, *examine.machine(packages)]
    try:
        opened = options.open_logged()
        options.step_down(opened)
    except errors.ConfigError as error:
        broken = Finding(what="configuration", state="missing", found=error.problem, remedy=error.remedy)
        return [broken, *examine.machine(packages)]
    right = Finding(what="configuration", state="ok", found=str(opened.file))
    return [right, *examine.configured(opened, packages)]
