"""``pgbackstop expire``: remove what retention lets go, and say why of each backup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_catalog.decisions.retention import Verdict
    from pgbackstop_runner.expire import run

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = (
    terminal.Column(title="ID"),
    terminal.Column(title="PLAN"),
    terminal.Column(title="DATABASE"),
    terminal.Column(title="FINISHED (UTC)"),
    terminal.Column(title="SIZE", right=True),
    terminal.Column(title=""),
    terminal.Column(title="WHY"),
)


@app.command()
def expire(
    plan: Annotated[str | None, typer.Argument(help="Only this plan; all of them when left out.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    json: options.Json = False,
) -> None:
    """Remove the backups, copies, WAL and old records that the plan's retention lets go.

    What cannot be removed is named, the rest goes on, and the exit code is 1.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.expire import run  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    plans = [plan] if plan else sorted(opened.config.plans)
    if dry_run:
        verdicts = [each for name in plans for each in run.decide(opened, name)]
        _print(verdicts, json=json, removed="would go")
        return
    outcomes = [run.run(opened, name) for name in plans]
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    _print(verdicts, json=json, removed="removed")
    _summarise(outcomes, quiet=json)


def _print(verdicts: Iterable[Verdict], *, json: bool, removed: str) -> None:
    ordered = sorted(verdicts, key=lambda each: each.backup.id, reverse=True)
    if json:
        terminal.document([_document(each) for each in ordered])
    elif ordered:
        terminal.table(_COLUMNS, (_row(each, removed) for each in ordered))
    else:
        terminal.say("There are no backups that could expire.")


def _summarise(outcomes: list[run.ExpireResult], *, quiet: bool) -> None:
    segments = sum(each.wal_segments for each in outcomes)
    records = sum(each.records for each in outcomes)
    if not quiet and (segments or records):
        terminal.say(f"\nAlso removed: {segments} WAL segments, {records} old records.")
    problems = [problem for each in outcomes for problem in each.problems]
    for problem in problems:
        terminal.complain(f"not removed: {problem}")
    if problems:
        raise typer.Exit(1)


def _row(verdict: Verdict, removed: str) -> tuple[str, ...]:
    backup = verdict.backup
    return (
        backup.id,
        backup.plan,
        backup.database or "-",
        f"{backup.finished_at:%Y-%m-%d %H:%M:%S}" if backup.finished_at else "",
        units.format_size(backup.size_bytes or 0),
        "kept" if verdict.kept else removed,
        "; ".join(verdict.reasons),
    )


def _document(verdict: Verdict) -> dict[str, object]:
    backup = verdict.backup
    return {
        "id": backup.id,
        "plan": backup.plan,
        "database": backup.database,
        "size_bytes": backup.size_bytes,
        "kept": verdict.kept,
        "reasons": list(verdict.reasons),
    }
