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
    command = f"{options.called()} expire --removed-plan {name}"
    return f"{sentence(name, count, size_bytes)}. Give a plan that name again, or let them go: {command}"
