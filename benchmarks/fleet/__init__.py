"""A fleet, simulated and measured: a week of many servers, the waits of a minute, a catalog of many records.

``python -m benchmarks.fleet --help`` names the sizes; without any they are those of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common import table
from benchmarks.fleet import records, week
from benchmarks.fleet.week import Shape, Week
from tests.support import binaries
from tests.support.servers import Server

title = "Fleet"
# Sessions of five workers, and of as many stand-ins as they run at once.
_SETTINGS = {"max_connections": "200", "shared_buffers": "256MB", "max_wal_size": "4GB"}
_WEEK = Shape(servers=100, days=7, day=60)
_BUSY_MINUTE = Shape(servers=100, days=1, day=60, kills=0.0, restarts=False)
_HEAD = (
    "servers",
    "days of seconds",
    "due times",
    "run well",
    "**lost**",
    "**doubled**",
    "**not explained**",
    "workers killed",
    "interrupted and made again",
    "failed, hung, silent",
    "wait p50",
    "p99",
)
PARTS = ("week", "minute", "records")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of each part is measured."""

    week: Shape = _WEEK
    records: int = 1_000_000
    parts: Sequence[str] = PARTS


def run(_options: object) -> str:
    """All of it, as a section of docs/benchmarks.md."""
    return measure(Sizes())


def measure(sizes: Sizes) -> str:
    """Markdown."""
    told = []
    with Server(binaries.reachable(17), settings=_SETTINGS) as server:
        shapes = {"week": sizes.week, "minute": _BUSY_MINUTE}
        weeks = [week.run(server, shape) for part, shape in shapes.items() if part in sizes.parts]
        if weeks:
            told.append(table(_HEAD, [_row(each) for each in weeks]))
        if "records" in sizes.parts:
            told.append(records.measure(server, sizes.records))
    return "\n\n".join(told)


def _row(found: Week) -> tuple[str, ...]:
    shape, counted = found.shape, found.counted
    return (
        f"{shape.servers:,}",
        f"{shape.days} of {shape.day} s",
        f"{counted.due:,}",
        f"{counted.good:,}",
        f"**{len(counted.lost)}**",
        f"**{len(counted.doubled)}**",
        f"**{len(counted.unexplained)}**",
        str(found.killed),
        str(counted.interrupted),
        str(counted.failed),
        f"{found.wait(0.5):.2f} s",
        f"{found.wait(0.99):.2f} s",
    )


def arguments() -> Sizes:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    whole = Sizes()
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--servers", type=int, default=whole.week.servers, help="%(default)s")
    parser.add_argument("--days", type=int, default=whole.week.days, help="%(default)s")
    parser.add_argument(
        "--day",
        type=int,
        default=whole.week.day,
        help="seconds that a day takes, a divisor of 60; %(default)s",
    )
    parser.add_argument("--workers", type=int, default=whole.week.workers, help="%(default)s")
    parser.add_argument("--kills", type=float, default=whole.week.kills, help="a day; %(default)s")
    parser.add_argument("--seed", default=whole.week.seed, help="of what fails and dies; %(default)s")
    parser.add_argument("--records", type=int, default=whole.records, help="%(default)s")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    if 60 % given.day:
        parser.error("--day must be a divisor of 60")
    shape = Shape(
        servers=given.servers,
        days=given.days,
        day=given.day,
        workers=given.workers,
        kills=given.kills,
        seed=given.seed,
    )
    return Sizes(week=shape, records=given.records, parts=tuple(given.parts) or PARTS)
