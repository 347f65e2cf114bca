"""``pgbackstop worker``: share the runs that are due with workers on other hosts."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.text import is_name
from pgbackstop_runner.cli import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    epilog=options.examples(
        "worker",
        "worker --queues default,frankfurt --concurrency 4",
        "worker --drain 2h",
    )
)
def worker(
    *,
    queues: Annotated[
        str, typer.Option(help="The queues to take runs from, with commas; a server's 'queue' names its own.")
    ] = "default",
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="How many runs go at once in this worker.")
    ] = 2,
    receivers: Annotated[
        int, typer.Option(min=0, max=10_000, help="How many servers' WAL this worker receives at most.")
    ] = 100,
    drain: Annotated[
        str, typer.Option(help="How long runs may go on after SIGTERM; then other workers make them.")
    ] = "0s",
) -> None:
    """Share the runs of plans that are due, and the WAL, with workers on other hosts, until SIGTERM.

    The catalog's database decides: each due time is run once, the run of a worker that died is made again by
    another one, and a worker that is cut off from the database ends its runs and itself (exit code 5), to be
    started anew by what supervises it. The WAL of each server is received by one of them, and by another one
    when that is lost. SIGHUP loads the configuration anew.
    """
    opened = options.open_logged()
    options.step_down(opened)
    flow = _flow()
    offer = flow.Offer(
        queues=_names(queues), concurrency=concurrency, receivers=receivers, drain=_seconds(drain)
    )
    flow.run(opened, offer)


def _flow() -> ModuleType:
    """Import what works. Raises ConfigError where its engine is not installed."""
    try:
        from pgbackstop_runner.fleet import worker as flow  # noqa: PLC0415 - only what runs needs it
    except ModuleNotFoundError as error:
        raise errors.ConfigError(
            f"Workers need the Python package {error.name}.", remedy="Install 'pgbackstop[fleet]'."
        ) from error
    return flow


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for each in text.split(",") if (name := each.strip())))
    wrong = [name for name in names if not is_name(name)]
    if wrong or not names:
        raise errors.ConfigError(
            f"{text!r} names no queues.", remedy="Write them with commas, like default,frankfurt."
        )
    return names


def _seconds(text: str) -> float:
    try:
        return units.parse_duration(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"{text!r} is no duration.", remedy="Write it like 30s, 15m or 2h."
        ) from error
