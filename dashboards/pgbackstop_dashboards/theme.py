"""Words and colours: the same thing theme the same in every panel.

Limits are metrics, so steps of colour stand at 0 and 1 of a ratio or a count. The one exception is the
free space of a disk, whose 10 % is the specification's and stands in the alert in the same way.
"""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import promql
from pgbackstop_dashboards.model import Step, Word

GOOD: Final = "green"
BUSY: Final = "blue"
QUIET: Final = "text"
WARN: Final = "orange"
BAD: Final = "red"

LOW_DISK: Final = 0.1  # as in the alert BackupDiskSpaceLow
FAR_AWAY: Final = 10 * 365 * 86400  # seconds; a disk that fills later than this does not fill

PLAIN: Final = (Step(colour=QUIET),)
NEVER: Final = (Word(value=0, text="never", colour=QUIET),)
NOT_IN_SIGHT: Final = (Word(value=FAR_AWAY, until=float("inf"), text="not in sight", colour=GOOD),)

STATES: Final = (
    Word(value=promql.OK, text="ok", colour=GOOD),
    Word(value=promql.RUNNING, text="running", colour=BUSY),
    Word(value=promql.NEW, text="not due yet", colour=BUSY),
    Word(value=promql.PAUSED, text="paused", colour=QUIET),
    Word(value=promql.UNKNOWN, text="unknown", colour=WARN),
    Word(value=promql.FAILED, text="failed", colour=WARN),
    Word(value=promql.LATE, text="late", colour=BAD),
    Word(value=promql.NEVER, text="never", colour=BAD),
    Word(value=promql.STUCK, text="stuck", colour="purple"),
)

# 1 is the limit itself.
LIMIT: Final = (Step(colour=GOOD), Step(colour=BAD, value=1))
NONE_IS_GOOD: Final = (Step(colour=GOOD), Step(colour=BAD, value=1))
BELOW_IS_BAD: Final = (Step(colour=BAD), Step(colour=GOOD, value=1))
FREE_SPACE: Final = (Step(colour=BAD), Step(colour=GOOD, value=LOW_DISK))


def answers(*, yes: str, no: str, bad: int) -> tuple[Word, ...]:
    """Words for 1 and 0; ``bad`` says which of them is."""
    colours = {bad: BAD, 1 - bad: GOOD}
    return (
        Word(value=0, text=no, colour=colours[0]),
        Word(value=1, text=yes, colour=colours[1]),
    )
