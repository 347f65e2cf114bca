"""The command line of what the console starts."""

from __future__ import annotations

import sys

from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.workspace import Workspace


def command(workspace: Workspace, *arguments: str) -> list[str]:
    """``pgbackstop`` with these arguments and our configuration."""
    return [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(workspace.file), *arguments]


def of_operation(workspace: Workspace, made: Operation, arguments: tuple[str, ...]) -> list[str]:
    """The same for an operation; a backup is told who asks, and by which operation, for its record."""
    name, *rest = arguments
    told = (f"--operator={made.user}", f"--operation={made.id}") if made.verb == "backup" else ()
    return command(workspace, name, *told, *rest)
