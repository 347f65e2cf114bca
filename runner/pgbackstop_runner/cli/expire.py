"""``pgbackstop expire``: remove what retention lets go, and say why of each backup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, prompts, removed_plan_text, times

if TYPE_CHECKING:
    from pgbackstop_catalog.decisions.retention import Verdict
    from pgbackstop_runner.expire import run
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)


def _columns() -> tuple[terminal.Column, ...]:
    return (
        terminal.Column(title="ID"),
        terminal.Column(title="PLAN"),
        terminal.Column(title="DATABASE"),
        terminal.Column(title="STORAGE"),
        terminal.Column(title=times.title("FINISHED")),
        terminal.Column(title="SIZE", right=True),
        terminal.Column(title=""),
        terminal.Column(title="WHY"),
    )


@app.command(
    epilog=options.examples("expire --dry-run", "expire shop-logical", "expire --removed-plan old-shop")
)
def expire(
    plan: Annotated[
        str | None,
        typer.Argument(help="Only this plan; all of them when left out.", autocompletion=completion.plans),
    ] = None,
    *,
    removed_plan: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="All backups of this plan, which is not in the configuration."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="--removed-plan: do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    json: options.Json = False,
    log: options.LogLines = False,
) -> None:
    """Remove the backups, copies, WAL and old records that the plan's and the storages' retention lets go.

    What cannot be removed is named, the rest goes on, and the exit code is 1.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.expire import run  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    if removed_plan is not None:
        _let_go(opened, removed_plan, _Flags(plan=plan, yes=yes, dry_run=dry_run, json=json))
        return
    plans = [plan] if plan else sorted(opened.config.plans)
    if dry_run:
        verdicts = [each for name in plans for each in run.decide(opened, name)]
        _print(verdicts, json=json, removed="would go")
        _name_removed(opened, quiet=json or plan is not None)
        return
    outcomes = [run.run(opened, name) for name in plans]
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    _print(verdicts, json=json, removed="removed")
    _name_removed(opened, quiet=json or plan is not None)
    _summarise(outcomes, quiet=json)


@dataclass(frozen=True, kw_only=True)
class _Flags:
    plan: str | None
    yes: bool
    dry_run: bool
    json: bool


def _let_go(opened: Workspace, name: str, flags: _Flags) -> None:
    """Raises ConfigError where nobody has said yes."""
    from pgbackstop_runner.expire import let_go, removed_plans  # noqa: PLC0415

    if flags.plan is not None:
        raise errors.ConfigError("A plan and --removed-plan exclude each other.", remedy="Leave one out.")
    found = removed_plans.find(opened, name)
    what = removed_plan_text.sentence(name, len(found.backups), found.size_bytes)
    if flags.dry_run:
        terminal.say(f"{what}: all of them would go, with their copies, but what is pinned.")
        return
    if not flags.yes:
        _ask(f"{what}.", name)
    outcome = let_go.run(opened, name)
    _print(outcome.verdicts, json=flags.json, removed="removed")
    _summarise([outcome], quiet=flags.json)


def _ask(what: str, name: str) -> None:
    """Raises ConfigError where the answer is another one."""
    if not prompts.somebody_is_there():
        raise errors.ConfigError(f"{what} Nobody is there to answer.", remedy="Give --yes.")
    terminal.say(f"{what} All of them go, with their copies, but what is pinned; nothing brings them back.")
    if prompts.text(f"Type {name} to remove them") != name:
        raise errors.ConfigError("That is not its name; nothing was touched.")


def _name_removed(opened: Workspace, *, quiet: bool) -> None:
    """What no retention looks at."""
    from pgbackstop_runner.expire import removed_plans  # noqa: PLC0415

    for each in () if quiet else removed_plans.found(opened):
        terminal.say(f"\n{removed_plan_text.note(each.name, len(each.backups), each.size_bytes)}")


def _print(verdicts: Iterable[Verdict], *, json: bool, removed: str) -> None:
    ordered = sorted(verdicts, key=lambda each: (each.backup.id, each.storage or ""), reverse=True)
    if json:
        terminal.document([_document(each) for each in ordered])
    elif ordered:
        terminal.table(_columns(), (_row(each, removed) for each in ordered))
    else:
        terminal.say("There are no backups that could expire.")


def _summarise(outcomes: list[run.ExpireResult], *, quiet: bool) -> None:
    segments = sum(each.wal_segments for each in outcomes)
    records = sum(each.records for each in outcomes)
    if not quiet and (segments or records):
        gone = (units.format_count(segments, "WAL segment"), units.format_count(records, "old record"))
        terminal.say(f"\nAlso removed: {', '.join(gone)}.")
    for each in () if quiet else outcomes:
        for sentence in each.locked:
            terminal.say(f"{sentence}: it goes then.")
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
        verdict.storage or backup.storage or "",
        times.cell(backup.finished_at),
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
        "storage": verdict.storage or backup.storage,
        "size_bytes": backup.size_bytes,
        "kept": verdict.kept,
        "reasons": list(verdict.reasons),
    }
