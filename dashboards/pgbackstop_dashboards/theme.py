"""Words and colours: the same thing looks the same in every panel.

What is not known is a value of its own (``NOT_KNOWN``), which queries answer where their series are missing.
The base colour, which Grafana gives to a missing value, is neutral, so that nothing is green or red unless a
number says so. Limits are metrics, so steps of colour stand at 0 and 1 of a ratio or a count. The one
exception is the free space of a disk, whose 10 % is the specification's and stands in the alert too.
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
NOTHING: Final = "-"  # in a cell that has no value by its nature

PLAIN: Final = (Step(colour=QUIET),)
NEVER: Final = (Word(value=0, text="never", colour=QUIET),)
NOT_KNOWN: Final = Word(value=promql.NOT_KNOWN, text="not known", colour=BAD)
NEVER_IS_BAD: Final = (Word(value=0, text="never", colour=BAD), NOT_KNOWN)
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
    Word(value=promql.SILENT, text="not known", colour=BAD),
)
# What the runner calls the reason of a failure, and those that queries add.
REASONS: Final = tuple(
    Word(value=value, text=text)
    for value, text in {
        "unreachable": "PostgreSQL not reachable",
        "rights": "a right is missing",
        "client": "client programs do not fit",
        "space": "not enough space",
        "storage": "the storage failed",
        "timeout": "took longer than it may",
        "stalled": "no byte for too long",
        "tool": "PostgreSQL's tool failed",
        "incomplete": "files were missing",
        "corrupt": "damaged",
        "interrupted": "interrupted",
        "configuration": "wrong configuration",
        "internal": "a bug of pgbackstop",
        promql.FILES_GONE: "files of backups are gone",
        promql.DAMAGED: "a stored backup is damaged",
        promql.NOT_STARTED: "no run started",
        promql.HANGS: "the run hangs",
    }.items()
)
SEVERITIES: Final = (
    Word(value=promql.INFO, text="info", colour=BUSY),
    Word(value=promql.WARNING, text="warning", colour=WARN),
    Word(value=promql.CRITICAL, text="critical", colour=BAD),
    Word(value=promql.SILENT, text="does not fire", colour=BAD),
)

# 1 is the limit itself.
LIMIT: Final = (Step(colour=QUIET), Step(colour=GOOD, value=0), Step(colour=BAD, value=1))
NONE_IS_GOOD: Final = LIMIT
BELOW_IS_BAD: Final = (Step(colour=QUIET), Step(colour=BAD, value=0), Step(colour=GOOD, value=1))
FREE_SPACE: Final = (Step(colour=QUIET), Step(colour=BAD, value=0), Step(colour=GOOD, value=LOW_DISK))


def answers(*, yes: str, no: str, bad: int) -> tuple[Word, ...]:
    """Words for 1 and 0, ``bad`` says which of them is; and for what is not known."""
    colours = {bad: BAD, 1 - bad: GOOD}
    return (
        Word(value=0, text=no, colour=colours[0]),
        Word(value=1, text=yes, colour=colours[1]),
        NOT_KNOWN,
    )
