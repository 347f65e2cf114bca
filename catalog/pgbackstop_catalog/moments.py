"""Now, and how a moment is written. Imports nothing slow."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The wall clock. Never subtract two of these for a duration: the clock may jump."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """``2026-11-22T02:00:00.123Z``: ISO 8601, UTC, milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
