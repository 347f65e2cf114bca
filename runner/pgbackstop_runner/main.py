"""The command line ``pgbackstop``: the commands, and the one place that maps errors to exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import typer.core

from pgbackstop_catalog import __version__, errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options
from pgbackstop_runner.system import exit_file

# One line each, in the order of the help: a module of pgbackstop_runner.cli whose ``app`` is the
# command. It is imported when it is called: psycopg alone costs 150 ms, and a list must answer at once.
COMMANDS = (
    "init",
    "backup",
    "check",
    "doctor",
    "daemon",
    "worker",
    "schedule",
    "notify",
    "monitoring",
    "status",
    "fleet",
    "discovery",
    "list",
    "show",
    "du",
    "verify",
    "expire",
    "ack",
    "pin",
    "unpin",
    "copy",
    "restore",
    "wal",
    "window",
    "recover",
    "drill",
    "storage",
    "key",
    "catalog",
    "user",
    "token",
    "config",
    "demo",
)


class _Lazy(typer.core.TyperGroup):
    """A group that imports a command's module when the command is called, or the help is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        names: Any = dict.fromkeys(COMMANDS)
        self.commands = {**names, **self.commands}
        self._for_names = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # Any: typer 0.2x vendors click, 0.1x does not
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"pgbackstop_runner.cli.{cmd_name}")
            return _titled(cmd_name, module.app) if self._for_names else typer.main.get_command(module.app)
        return super().get_command(ctx, cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the name of a command; options of all 25 are not looked at for that."""
        self._for_names = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._for_names = False


def _titled(name: str, app: typer.Typer) -> Any:
    """A command that has its name and its help alone."""
    said = app.info.help if isinstance(app.info.help, str) else app.registered_commands[0].callback.__doc__
    return typer.core.TyperCommand(name=name, help=said)


# What the shell's completion sets; typer makes it of the program's name.
_COMPLETES = "_PGBACKSTOP_COMPLETE"
_CODES = "\n".join(f"{code:>5}  {meaning}" for code, meaning in errors.EXIT_CODES)
app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=f"\b\nExit codes:\n{_CODES}",
)


def _version(wanted: bool) -> None:
    if wanted:
        terminal.say(f"pgbackstop {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The configuration file.", envvar="PGBACKSTOP_CONFIG"),
    ] = None,
    utc: Annotated[
        bool, typer.Option("--utc", help="Times in UTC; those of tables are yours at a terminal.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Backups of PostgreSQL that are made, proven and watched: know to which second you can restore."""
    options.Given.config, options.Given.utc = config, utc


def run() -> None:
    """Entry point of the command: a sentence and an exit code for every error, never a traceback."""
    if file := os.environ.pop(exit_file.VARIABLE, ""):
        exit_file.keep(Path(file), _run)
    else:
        _run()


def _run() -> None:
    if _COMPLETES in os.environ:
        # For each key press typer would import it, in 90 ms, to take markup out of help that has none.
        sys.modules["rich"] = None  # type: ignore[assignment] # Python's way to say: not to be had
    try:
        app()
    except (errors.PgbackstopError, errors.Interrupted) as error:
        if isinstance(error, errors.Bug) and os.environ.get("PGBACKSTOP_DEBUG"):
            raise
        _end(error)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: nothing is wrong, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(errors.Interrupted.exit_code)
    except Exception as error:
        from pgbackstop_runner import failures  # noqa: PLC0415 - records are a third of a second to import

        if os.environ.get("PGBACKSTOP_DEBUG"):
            raise
        _end(failures.as_error(error))


def _end(error: errors.Ending) -> NoReturn:
    terminal.complain(f"pgbackstop: {error.problem}")
    if error.remedy:
        terminal.complain(f"  → {error.remedy}")
    sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
