"""``pgbackstop list``: the attempts on record, the newest first. Imports neither pydantic nor psycopg."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.store import opened
from pgbackstop_catalog.store.backup_filter import BackupFilter
from pgbackstop_catalog.store.backup_list import BackupList
from pgbackstop_catalog.store.copy_listing import Copies
from pgbackstop_catalog.store.summary import BackupSummary
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, removed_plan_text, times

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_LONGEST_REASON = 100


def _columns() -> tuple[terminal.Column, ...]:
    return (
        terminal.Column(title="ID"),
        terminal.Column(title="PLAN"),
        terminal.Column(title="DATABASE"),
        terminal.Column(title="TYPE"),
        terminal.Column(title=times.title("FINISHED")),
        terminal.Column(title="SIZE", right=True),
        terminal.Column(title="TOOK", right=True),
        terminal.Column(title="STATUS", state=True),
        terminal.Column(title="AGE", right=True),
        terminal.Column(title="STORED IN"),
        terminal.Column(title="REASON"),
    )


class State(enum.StrEnum):
    """What --status may ask for: ``succeeded`` is available and expired together."""

    AVAILABLE = "available"
    EXPIRED = "expired"
    SUCCEEDED = "succeeded"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSED = "missed"


@app.command(
    "list",
    epilog=options.examples(
        "list",
        "list shop-logical --status failed --status missed",
        "list --database orders --all",
        "list --drills",
        "list --json",
    ),
)
def show_list(
    plan: Annotated[
        str | None, typer.Argument(help="Only this plan.", autocompletion=completion.plans)
    ] = None,
    *,
    status: Annotated[list[State] | None, typer.Option(help="Only these; may be repeated.")] = None,
    database: Annotated[str | None, typer.Option(help="Only this database.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    drills: Annotated[
        bool, typer.Option("--drills", help="Drills instead: what was proven, and how long it took.")
    ] = False,
    json: options.Json = False,
) -> None:
    """List backups, good and bad, the newest first."""
    if drills:
        _drills(plan, database, limit, json=json)
        return
    from pgbackstop_catalog.config import locate, locate_catalog  # noqa: PLC0415 - YAML costs 15 ms

    file = locate.find(options.Given.config)
    place = locate_catalog.named_by(file)
    backups = opened.backup_list(place, options.report)
    every = backups.count(plan)
    wanted = BackupFilter(states=frozenset(status or ()), database=database)
    shown, total = backups.newest(plan, wanted, every if everything else limit)
    if json:
        terminal.values(backups.record(each) for each in shown)  # however many they are
    elif shown:
        _show(shown, total, backups.copies(shown))
    else:
        terminal.say("There is no such backup on record." if every or plan else _NONE_YET)
    if plan is None and not json and isinstance(place, Path):  # in a shared one, plans are other hosts'
        _name_removed_plans(backups, file)


def _name_removed_plans(backups: BackupList, file: Path) -> None:
    """What no retention looks at: backups of plans that are not in the configuration."""
    from pgbackstop_catalog.config import locate_catalog  # noqa: PLC0415 - as above

    configured = locate_catalog.plans(file)
    for plan in backups.plans():
        if configured is None or plan in configured:
            continue
        sizes = [each.size_bytes or 0 for each in backups.summaries(plan) if each.state == State.AVAILABLE]
        if sizes:
            terminal.say(f"\n{removed_plan_text.note(plan, len(sizes), sum(sizes))}")


def _drills(plan: str | None, database: str | None, limit: int, *, json: bool) -> None:
    from pgbackstop_runner.cli import drill_table  # noqa: PLC0415 - only those who ask wait for pydantic

    opened = options.open_workspace()
    found = drill_table.newest(opened.catalog, plan, database, limit)
    if json:
        terminal.values(found)
    elif found:
        drill_table.show(found, {name: each.rto_target for name, each in opened.config.plans.items()})
    else:
        terminal.say("There is no drill on record yet. 'pgbackstop drill PLAN' makes one.")


_NONE_YET = "There is no backup on record yet. 'pgbackstop backup PLAN' makes one."


def _show(shown: Sequence[BackupSummary], total: int, copies: Mapping[str, Copies]) -> None:
    now = datetime.now(UTC)
    terminal.table(_columns(), (_row(each, now, copies.get(each.id, Copies([], []))) for each in shown))
    if total > len(shown):
        terminal.say(f"\n{total - len(shown)} older ones exist: --all shows them, --limit some of them.")


def _row(each: BackupSummary, now: datetime, copies: Copies) -> tuple[str, ...]:
    ended = each.finished_at or each.started_at
    own = (each.storage,) if each.storage and each.state == State.AVAILABLE else ()
    return (
        each.id,
        each.plan,
        each.database or "-",
        f"{each.backup_type}, incr." if each.method == "incremental" else each.backup_type,
        times.cell(each.finished_at),
        units.format_size(each.size_bytes) if each.size_bytes is not None else "",
        units.format_duration(each.duration_seconds) if each.duration_seconds is not None else "",
        each.state,
        units.format_duration(max(0.0, (now - ended).total_seconds())),
        ", ".join(dict.fromkeys((*own, *copies.kept))),
        "; ".join(filter(None, (_reason(each), _damaged(copies)))),
    )


def _reason(each: BackupSummary) -> str:
    """Why it is no success, on one line: the fixed word, then the sentence; of a success, what it lacks."""
    if each.status == "missed" and each.missed_runs > 1:
        return f"{each.missed_runs} due runs. {each.message}".strip()
    if each.status == "succeeded":
        return "; ".join(filter(None, (_vanished(each), _left_out(each))))
    text = ": ".join(part for part in (each.reason, errors.one_line(each.message)) if part)
    return _cut(text)


def _damaged(copies: Copies) -> str:
    return f"its copy in {', '.join(copies.damaged)} is damaged" if copies.damaged else ""


def _vanished(each: BackupSummary) -> str:
    if not each.vanished:
        return ""
    (table, before, rows), *more = each.vanished
    others = f" and {len(more)} more" if more else ""
    known = " (acknowledged)" if each.is_acknowledged else ""
    return _cut(f"{errors.one_line(table)}: {units.format_loss(before, rows)}") + others + known


def _left_out(each: BackupSummary) -> str:
    """That the plan leaves something out: ``show`` names it."""
    told = ((each.excluded_tables, "left out"), (each.schema_only_tables, "without rows"))
    return ", ".join(f"{number} table{'s' * (number != 1)} {how}" for number, how in told if number)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
