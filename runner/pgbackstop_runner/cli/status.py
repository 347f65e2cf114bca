"""``pgbackstop status``: safe or not, to which second each server can be restored, proven when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_runner.overview.read import Overview

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_NAGIOS_UNKNOWN = 3


@app.command(epilog=options.examples("status", "status --json", "status --nagios"))
def status(
    *,
    nagios: Annotated[
        bool,
        typer.Option("--nagios", help="One line and performance data, with the exit codes of Nagios."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Show whether you are safe, to which second each server can be restored, and when that was proven.

    It asks no server, so that it answers while one is down. A database that a server has only since its
    plan's last run is not known yet.

    Exit codes: 0 safe, 1 not safe, 5 not known because the catalog or a storage cannot be read. With
    --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    """
    if nagios and json:
        raise errors.ConfigError("--nagios and --json exclude each other.", remedy="Leave one of them out.")
    if nagios:
        raise typer.Exit(_for_nagios())
    found = _read()
    if json:
        from pgbackstop_runner.overview import document  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

        terminal.value(document.status(found))
    else:
        from pgbackstop_runner.cli import status_text  # noqa: PLC0415

        status_text.show(found)
    raise typer.Exit(_code(found))


def _read() -> Overview:
    opened, unreadable = options.open_for_overview()

    from pgbackstop_runner.overview import read  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    return read.overview(opened, unreadable, datetime.now(UTC))


def _code(found: Overview) -> int:
    if found.is_safe:
        return 0
    return errors.CatalogError.exit_code if found.severity == "unknown" else errors.PgbackstopError.exit_code


def _for_nagios() -> int:
    """Print the line; the exit code. What keeps us from knowing is UNKNOWN, and told on the same line."""
    try:
        found = _read()
    except errors.PgbackstopError as error:
        return _unknown(error)
    except OSError as error:
        from pgbackstop_runner import failures  # noqa: PLC0415

        return _unknown(failures.as_error(error))
    from pgbackstop_runner.cli import status_text  # noqa: PLC0415

    terminal.say(status_text.nagios_line(found))
    return status_text.NAGIOS_CODES[found.severity]


def _unknown(error: errors.PgbackstopError) -> int:
    terminal.say(f"PGBACKSTOP UNKNOWN - {errors.one_line(error).replace('|', '/')}")
    return _NAGIOS_UNKNOWN
