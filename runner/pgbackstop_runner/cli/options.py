"""Options that many commands share, and the workspace they open."""

from __future__ import annotations

import atexit
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal

if TYPE_CHECKING:
    from pgbackstop_runner import workspace

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

Scheduled = Annotated[
    bool,
    typer.Option("--scheduled", help="Only what is due now, as cron and timers call it; see 'schedule'."),
]


def examples(*lines: str) -> str:
    """Return what stands below a command's help: command lines as they may be typed, one each."""
    return "\n".join(["\b", "Examples:", *(f"  pgbackstop {line}" for line in lines)])


class Given:
    """What stood before the command's name, and may behind it; typer has no other way to hand it on."""

    config: Path | None = None
    log: bool = False
    utc: bool = False


def _log(wanted: bool) -> None:
    Given.log = wanted


LogLines = Annotated[
    bool,
    typer.Option(
        "--log", callback=_log, help="Write the log at a terminal, too, and not a line a step and a bar."
    ),
]


def moment(text: str | None) -> datetime | None:
    """A time that was written with its zone; None where none was. Raises ConfigError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"{text!r} is no time.", remedy="Write it like 2026-11-22T02:00:00Z."
        ) from error
    if found.tzinfo is None:
        raise errors.ConfigError(f"{text!r} has no time zone.", remedy="Add one, like Z or +01:00.")
    return found


def called() -> str:
    """How we were called, for commands that a person may paste: the same configuration counts for them."""
    import shlex  # noqa: PLC0415 - only for messages

    return f"pgbackstop -c {shlex.quote(str(Given.config))}" if Given.config else "pgbackstop"


def open_workspace() -> workspace.Workspace:
    """The workspace of the configuration that was named. Raises ConfigError."""
    from pgbackstop_runner import workspace  # noqa: PLC0415 - pydantic costs 200 ms, which a list does not need

    return workspace.open_workspace(Given.config, on_invalid_record=report)


def open_for_overview() -> tuple[workspace.Workspace, dict[str, None]]:
    """The same, and what of the catalog was found unreadable, each told once; it grows while one reads."""
    from pgbackstop_runner import workspace  # noqa: PLC0415 - pydantic, see open_workspace
    from pgbackstop_runner.system import log  # noqa: PLC0415

    unreadable: dict[str, None] = {}

    def remember(error: errors.CatalogError) -> None:
        if str(error) not in unreadable:
            unreadable[str(error)] = None
            report(error)

    opened = workspace.open_workspace(Given.config, on_invalid_record=remember)
    log.configure_when_needed(opened.config.log)
    return opened, unreadable


def open_logged() -> workspace.Workspace:
    """The same, with the log set up: what is found on the way may have to be said."""
    from pgbackstop_runner.system import log  # noqa: PLC0415

    opened = open_workspace()
    log.configure(opened.config.log)
    return opened


def open_for_work(*, as_root: bool = False) -> workspace.Workspace:
    """The same for an operation: logs are set up, signals end it cleanly.

    Root steps down, but for what it may be needed for (``as_root``).
    """
    from pgbackstop_runner.system import signals  # noqa: PLC0415

    opened = open_workspace()
    _set_up_log(opened)
    if not as_root:
        step_down(opened)
    signals.install()
    return opened


def draws_bars() -> bool:
    """Whether a person watches, who wants no log."""
    return terminal.is_watched() and not Given.log


def _set_up_log(opened: workspace.Workspace) -> None:
    """Steps and a bar for a person at a terminal, lines of the log for everybody else."""
    from pgbackstop_runner.system import log, meter  # noqa: PLC0415

    if not draws_bars():
        log.configure(opened.config.log)
        return
    from pgbackstop_runner.cli import progress_bar  # noqa: PLC0415 - rich costs 60 ms

    bar = progress_bar.Bar()
    atexit.register(bar.show, ())  # also after a signal that came while it was taken away
    meter.watch(bar)
    log.configure(opened.config.log, meter.say)


def step_down(opened: workspace.Workspace) -> None:
    """Let root continue as the owner of the state, who is to read what is made. Raises ConfigError."""
    from pgbackstop_runner.system import accounts, log  # noqa: PLC0415

    if name := accounts.become_owner_of(opened.config.state_root()):
        log.logger().info("root continues as the owner of the catalog", user=name)


def report(error: errors.CatalogError) -> None:
    """Tell the person of a file that is no record; the others are still shown."""
    terminal.complain(f"warning: {error}")
