"""Options that many commands share, and the workspace they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal

if TYPE_CHECKING:
    from pgbackstop_runner import workspace

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class Given:
    """What stood before the command's name; typer has no other way to hand it on."""

    config: Path | None = None


def called() -> str:
    """How we were called, for commands that a person may paste: the same configuration counts for them."""
    import shlex  # noqa: PLC0415 - only for messages

    return f"pgbackstop -c {shlex.quote(str(Given.config))}" if Given.config else "pgbackstop"


def open_workspace() -> workspace.Workspace:
    """The workspace of the configuration that was named. Raises ConfigError."""
    from pgbackstop_runner import workspace  # noqa: PLC0415 - pydantic costs 200 ms, which a list does not need

    return workspace.open_workspace(Given.config, on_invalid_record=report)


def open_for_work() -> workspace.Workspace:
    """The same for an operation: logs are set up, signals end it cleanly."""
    from pgbackstop_runner.system import log, signals  # noqa: PLC0415

    opened = open_workspace()
    log.configure(opened.config.log)
    signals.install()
    return opened


def report(error: errors.CatalogError) -> None:
    """Tell the person of a file that is no record; the others are still shown."""
    terminal.complain(f"warning: {error}")
