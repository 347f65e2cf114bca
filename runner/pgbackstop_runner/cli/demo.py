"""``pgbackstop demo``: the whole product on an embedded PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgbackstop_runner.cli import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command("demo", epilog=options.examples("demo", "demo --once"))
def show_demo(
    *,
    folder: Annotated[Path, typer.Option(help="Where its state lives; a later run continues it.")] = Path(
        "demo"
    ),
    once: Annotated[
        bool, typer.Option("--once", help="Make one backup of each kind, print the catalog and metrics, end.")
    ] = False,
) -> None:
    """Show everything on a PostgreSQL of its own: no root, no Docker, no configuration; Ctrl-C ends it."""
    from pgbackstop_runner.demo import run  # noqa: PLC0415

    run.run(folder, once=once)
