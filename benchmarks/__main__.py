"""`python -m benchmarks [section …]`: measure, and write the sections of docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import Options, Section
from benchmarks.data import Lab
from pgbackstop_catalog import units

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
SECTIONS = (
    "logical",
    "shapes",
    "physical",
    "wal",
    "restore",
    "recover",
    "remote",
    "cli",
    "console",
    "exporter",
    "fleet",
    "hung",
    "rules",
)


def main() -> int:
    """Run the sections that are named, all when none is; returns the exit code."""
    given = _arguments()
    # Servers and their gigabytes are removed on every way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Lab(given.size) as lab:
        options = Options(
            size_bytes=given.size, rounds=given.rounds, churn=given.churn, barman=given.barman, lab=lab
        )
        for name in given.sections or SECTIONS:
            section: Section = importlib.import_module(f"benchmarks.{name}")
            print(f"{name}:", flush=True)
            load = os.getloadavg()[0]
            text = section.run(options)
            _write(name, f"## {section.title}\n\n{_circumstances(load)}\n\n{text}")
            print(f"\n{text}\n", flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--size", type=units.parse_size, default="2GB", help="of each database (2GB)")
    parser.add_argument("--rounds", type=int, default=3, help="after one that is discarded (3)")
    parser.add_argument("--churn", type=int, default=120, help="seconds of pgbench before increments (120)")
    parser.add_argument(
        "--barman", action="store_true", help="install Barman from the package index, to compare with it"
    )
    given = parser.parse_args()
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}: there are {', '.join(SECTIONS)}")
    return given


def _circumstances(load: float) -> str:
    now = f"{datetime.now(UTC):%Y-%m-%d until %H:%M} UTC"
    loads = f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    return f"Measured on {now} on {_machine()}; {loads}."


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _write(name: str, text: str) -> None:
    """Replace the section between its markers, or append it."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    block = f"{begin}\n{text}\n{end}"
    old = DOCUMENT.read_text() if DOCUMENT.exists() else "# Benchmarks\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    new = pattern.sub(lambda _: block, old) if pattern.search(old) else f"{old.rstrip()}\n\n{block}\n"
    DOCUMENT.write_text(new)


if __name__ == "__main__":
    sys.exit(main())
