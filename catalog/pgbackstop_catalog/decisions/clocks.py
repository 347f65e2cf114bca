"""A server's clock beside this host's: how far apart they are, and when a person is told."""

from __future__ import annotations

from datetime import datetime

from pgbackstop_catalog import units

# Below it the two agree as well as anybody needs; the alert PostgresClockWrong has the same limit.
NOTEWORTHY = 60.0  # seconds
# A record that is dated later than this from now is of a clock that was wrong, or is; the alert
# BackupTimestampInFuture has the same limit.
AHEAD = 300.0  # seconds


def offset(before: datetime, theirs: datetime, after: datetime) -> float:
    """The seconds that theirs is ahead, from one reading of it between two of ours; negative: behind."""
    return round((theirs - before - (after - before) / 2).total_seconds(), 3)


def sentence(offset_seconds: float) -> str:
    """What a person is told; "" where the clocks agree."""
    if abs(offset_seconds) < NOTEWORTHY:
        return ""
    apart = units.format_duration(abs(offset_seconds))
    which = "ahead of" if offset_seconds > 0 else "behind"
    return (
        f"The server's clock is {apart} {which} this host's. Moments to recover to are by the server's, "
        "schedules by this host's: look at NTP on both."
    )
