"""A plan that is not in the configuration and keeps backups, in words. Imports nothing slow."""

from __future__ import annotations

from pgbackstop_catalog import units
from pgbackstop_runner.cli import options


def sentence(name: str, count: int, size_bytes: int) -> str:
    """What it keeps, without a full stop."""
    backups = f"{count} {'backup' if count == 1 else 'backups'} ({units.format_size(size_bytes)})"
    return f"Plan {name} is not in the configuration, and keeps {backups}"


def note(name: str, count: int, size_bytes: int) -> str:
    """The same, with what can be done."""
    program = options.called()
    return (
        f"{sentence(name, count, size_bytes)}.\n"
        f"  Give them to a plan:  {program} catalog assign {name} PLAN\n"
        f"  Let them go:          {program} expire --removed-plan {name}"
    )
