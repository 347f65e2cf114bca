"""``python -m tests.campaign``: kill for as long as it is told to, or until SIGTERM, and print the table."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pgbackstop_catalog.config.configuration import Log
from pgbackstop_runner.system import log
from tests.campaign import kills
from tests.campaign.campaign import Campaign
from tests.campaign.kills import Kill
from tests.campaign.operations import OPERATIONS
from tests.campaign.ways import DISK, WAYS
from tests.support import binaries, places
from tests.support.servers import Server

_ROOM = "400m"


def main() -> int:
    """Returns 1 where something did not hold."""
    asked = _arguments()
    chosen = [each for each in OPERATIONS if not asked.only or each.name in asked.only]
    log.configure(Log(level="error"))
    done: list[Kill] = []
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    folder = places.make()
    server = Server(binaries.reachable(asked.postgresql), settings={"autovacuum": "off"})
    with server, _file_system(folder) as own_disk, Campaign.laid(server, folder) as campaign:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        ways = WAYS | (DISK if own_disk else {})
        seconds = {each.name: kills.duration(campaign, each) for each in chosen}
        until = time.monotonic() + asked.seconds
        draw = random.Random(asked.seed)  # noqa: S311 - to be repeated
        for number in range(asked.kills):
            if time.monotonic() > until or stopped:
                break
            operation, way = draw.choice(chosen), draw.choice(list(ways))
            seed = f"{asked.seed}-{number}"
            known = seconds[operation.name]
            done.append(
                kills.kill(campaign, operation, way, ways[way], number=number, seed=seed, seconds=known)
            )
            _tell(done[-1], asked.seed)
    places.remove(folder)
    sys.stdout.write(table(done, asked.seed))
    return int(any(each.violations for each in done))


def table(done: Sequence[Kill], seed: int) -> str:
    """The kills by operation and way, as Markdown: how many, and how many of them came in time."""
    ways = sorted({each.way for each in done})
    counts = Counter((each.operation, each.way) for each in done)
    lines = [f"| operation | {' | '.join(ways)} | in time | did not hold |", "|---" * (len(ways) + 3) + "|"]
    for name in [each.name for each in OPERATIONS if any(kill.operation == each.name for kill in done)]:
        mine = [each for each in done if each.operation == name]
        cells = [str(counts[name, way]) for way in ways]
        cells += [str(sum(each.in_time for each in mine)), str(sum(bool(each.violations) for each in mine))]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    total = [str(sum(each.way == way for each in done)) for way in ways]
    total += [str(sum(each.in_time for each in done)), str(sum(bool(each.violations) for each in done))]
    lines.append(f"| all {len(done)} | {' | '.join(total)} |")
    return "\n".join([f"Seed {seed}.", "", *lines, ""])


def _tell(kill: Kill, seed: int) -> None:
    for words in kill.violations:
        sys.stderr.write(f"kill {kill.number} of seed {seed}: {kill.operation} by {kill.way}: {words}\n")
    if kill.number % 50 == 0:
        sys.stderr.write(f"{kill.number} kills\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _file_system(folder: Path) -> Iterator[bool]:
    """A file system of the campaign's own, which can be full; only root can make one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_ROOM},mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no kill is begun after these")
    parser.add_argument("--only", action="append", help="this operation, by its name; repeatable")
    parser.add_argument("--postgresql", type=int, default=binaries.DEFAULT_MAJOR)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
