"""Options that many commands share, and the workspace they open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import screen, workspace

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class Given:
    """What stood before the command's name; typer has no other way to hand it on."""

    config: Path | None = None


def open_workspace() -> workspace.Workspace:
    """The workspace of the configuration that was named. Raises ConfigError."""
    return workspace.open_workspace(Given.config, on_garbage=_report)


def open_for_work() -> workspace.Workspace:
    """The same for an operation: logs are set up, signals end it cleanly."""
    from pgbackstop_runner import log, signals  # noqa: PLC0415

    opened = open_workspace()
    log.configure(opened.config.log)
    signals.install()
    return opened


def _report(error: errors.CatalogError) -> None:
    screen.complain(f"warning: {error}")
