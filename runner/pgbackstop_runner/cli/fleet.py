"""``pgbackstop fleet``: many servers at a glance, the worst first, and found by a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_runner.overview.fleet import Fleet, FleetPlan, FleetServer
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    help="Many servers at a glance, and found by a word.",
    rich_markup_mode=None,
    add_completion=False,
)

Labels = Annotated[
    list[str] | None,
    typer.Option("--label", help="Only servers with this label, as in team=payments; may be repeated."),
]


@app.command(
    epilog=options.examples("fleet status", "fleet status --label team=payments", "fleet status --json")
)
def status(
    *,
    label: Labels = None,
    limit: Annotated[int, typer.Option(min=1, help="How many servers.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: options.Json = False,
) -> None:
    """Show how each server stands by its worst plan, the worst first, and how many are in each state.

    It reads the newest runs and drills of each plan: what 'status' finds beside them (stored backups that are
    missing or damaged, recovery windows) it does not look for.

    Exit codes: 0 safe, 1 not safe, 5 not known because the catalog cannot be read or a server has no plan.
    """
    found = _read(_wanted(label or []))
    if json:
        from pgbackstop_runner.overview import fleet_document  # noqa: PLC0415 - pydantic

        terminal.value(fleet_document.status(found))
    else:
        _show(found, len(found.servers) if everything else limit)
    raise typer.Exit(_code(found))


@app.command(
    epilog=options.examples("fleet search orders", "fleet search team=payments", "fleet search pay-00 --json")
)
def search(
    text: Annotated[str, typer.Argument(help="A part of a name, in letters of either case.")],
    *,
    json: options.Json = False,
) -> None:
    """Find plans and databases by a part of a server, database, plan, group or label (team=payments)."""
    found = [
        (server, plan) for server, plan in _pairs(_read(_wanted([]))) if _has(server, plan, text.lower())
    ]
    if not found:
        raise errors.NotFound(
            f"No server, database, plan, group or label has {text!r} in it.",
            remedy="'pgbackstop config show' has all names; databases are known from backups.",
        )
    if json:
        from pgbackstop_runner.overview import fleet_document  # noqa: PLC0415 - pydantic

        terminal.values(fleet_document.found(server, plan) for server, plan in found)
    else:
        _show_found(found)


def _wanted(labels: list[str]) -> Callable[[Workspace], list[str]]:
    wanted = dict(each.split("=", 1) for each in labels if "=" in each)
    if len(wanted) < len(labels):
        raise errors.ConfigError(
            "A label is NAME=VALUE, once for each name.", remedy="Write --label team=payments."
        )

    def choose(opened: Workspace) -> list[str]:
        from pgbackstop_runner.overview import fleet  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

        names = fleet.chosen(opened, wanted)
        if not names:
            raise errors.NotFound(
                f"No server has {' and '.join(labels)}.",
                remedy="'pgbackstop fleet search' finds servers by a part of a label.",
            )
        return names

    return choose


def _read(choose: Callable[[Workspace], list[str]]) -> Fleet:
    opened, unreadable = options.open_for_overview()

    from pgbackstop_runner.overview import fleet  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    return fleet.fleet(opened, choose(opened), unreadable, datetime.now(UTC))


def _code(found: Fleet) -> int:
    if found.is_safe:
        return 0
    return errors.CatalogError.exit_code if found.severity == "unknown" else errors.PgbackstopError.exit_code


def _show(found: Fleet, limit: int) -> None:
    from pgbackstop_runner.cli import fleet_text  # noqa: PLC0415 - pydantic

    fleet_text.show(found, limit)


def _show_found(found: list[tuple[FleetServer, FleetPlan | None]]) -> None:
    from pgbackstop_runner.cli import fleet_text  # noqa: PLC0415 - pydantic

    fleet_text.show_found(found)


def _pairs(found: Fleet) -> Iterator[tuple[FleetServer, FleetPlan | None]]:
    for server in sorted(found.servers, key=lambda each: each.name):
        yield from ((server, plan) for plan in server.plans or (None,))


def _has(server: FleetServer, plan: FleetPlan | None, text: str) -> bool:
    labels = (f"{name}={value}" for name, value in server.every_label.items())
    names = (plan.plan, plan.database) if plan else ()
    return any(text in each.lower() for each in (server.name, *labels, *names))
