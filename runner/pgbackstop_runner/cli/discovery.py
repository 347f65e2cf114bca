"""``pgbackstop discovery``: ask the lists of servers that somebody else keeps, and see how they fare."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    help="Servers that are learned from lists in Prometheus' formats.",
    rich_markup_mode=None,
    add_completion=False,
)
_COLUMNS = ("SOURCE", "SERVERS", "LAST ANSWER", "PROBLEM")


@app.command(epilog=options.examples("discovery refresh", "discovery refresh inventory --accept"))
def refresh(
    source: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    *,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take an answer that lacks more than half of the servers, too.")
    ] = False,
) -> None:
    """Ask all sources now, and keep what they say.

    What is no list, or would make the configuration wrong, is not taken, and the servers of before stay. A
    server that is gone has its plans stopped, and its backups stay. The daemon does this at each interval.

    Exit codes: 0 done, 1 a source gave nothing that could be taken.
    """
    from pgbackstop_runner.discovery import refresh as discovery  # noqa: PLC0415 - urllib costs 30 ms

    opened = options.open_workspace()
    options.step_down(opened)
    outcomes = [
        discovery.refresh(opened, name, time.time(), accept=accept) for name in _chosen(opened, source)
    ]
    for each in outcomes:
        servers = units.format_count(each.servers, "server")
        if each.problem:
            terminal.complain(
                f"{each.source}: {each.problem}. Its {servers} {'stays' if each.servers == 1 else 'stay'}."
            )
            continue
        terminal.say(f"{each.source}: {servers}, {len(each.came)} new, {len(each.gone)} gone.")
        for name in each.gone:
            terminal.say(f"{name} is gone: its plans stop, its backups stay until 'expire --removed-plan'.")
    raise typer.Exit(errors.PgbackstopError.exit_code if any(each.problem for each in outcomes) else 0)


@app.command(epilog=options.examples("discovery status", "discovery status --json"))
def status(json: options.Json = False) -> None:
    """Show how many servers each source gave, when it last answered, and what was wrong since."""
    from pgbackstop_runner.discovery import statuses  # noqa: PLC0415 - pydantic

    opened = options.open_workspace()
    found = statuses.read(opened)
    if json:
        terminal.values(found)
        return
    now = time.time()
    columns = [terminal.Column(title=each, right=each == "SERVERS") for each in _COLUMNS]
    terminal.table(columns, ((each.source, str(each.servers), each.age(now), each.problem) for each in found))


def _chosen(opened: Workspace, source: str | None) -> list[str]:
    known = list(opened.config.discovery)
    if source is not None and source not in known:
        raise errors.NotFound(
            f"There is no source {source!r} under discovery.",
            remedy=f"There are: {', '.join(known) or 'none'}.",
        )
    return known if source is None else [source]
