"""Writes docs/reference/faults-and-alerts.md from the table of faults and what the dashboard shows of each.

usage: python -m tests.alerts.reference
"""

from datetime import timedelta
from pathlib import Path

from tests.alerts.faults import FAULTS, Expectation
from tests.alerts.seen import SEEN

PAGE = Path(__file__).parents[2] / "docs/reference/faults-and-alerts.md"
_HEAD = """\
# Faults and the alerts that tell of them

Written by `python -m tests.alerts.reference`; a test compares the two, lets each fault happen in a simulated
installation and asks promtool, with the shipped rules, what fires and when. Thirty days without a fault
raise no alert, in spring, in autumn and on a new installation.

The installation has the two default plans (a logical backup each night at 02:00, a physical one on Sundays at
03:00) in Europe/Berlin, a copy of each, drills on Mondays and WAL. *Within* counts from the fault; for what
shows only at the next run, it includes the wait for it. *Then also* fires while nobody mends it. The last
column is what else is red or orange on the first screen of [Backup Status](dashboards.md) by then, asked of a
real Prometheus.

| what goes wrong | first told by | within | then also | on the first screen, beside *What fires* |
|---|---|---|---|---|
"""


def text() -> str:
    """The page."""
    return _HEAD + "".join(_row(each) for each in FAULTS)


def _row(each: Expectation) -> str:
    also = ", ".join(map(_link, each.also))
    within = _in_words(each.within)
    return f"| {each.what} | {_link(each.by)} | {within} | {also} | {SEEN.get(each.what, '')} |\n"


def _in_words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    counted = ((minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute"))
    return " and ".join(f"{number} {unit}{'s' * (number > 1)}" for number, unit in counted if number)


def _link(alert: str) -> str:
    return f"[{alert}](../../alerts/runbooks/{alert}.md)"


if __name__ == "__main__":
    PAGE.write_text(text())
