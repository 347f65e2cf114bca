"""A worker whose backups are the daemon's stand-ins, and that is less patient: real processes, no real dumps.

The runs are not the point where workers die and networks freeze, and a backup that lasts as long as a test
wants, and leaves its record, is easier had from a small program.
"""

import argparse
import sys
from pathlib import Path

from pgbackstop_catalog.model import format_time
from pgbackstop_runner import workspace
from pgbackstop_runner.daemon.plan_state import Order
from pgbackstop_runner.fleet import worker
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.system import log

_BACKUP = Path(__file__).parents[1] / "daemon" / "stand_in.py"


def _backup_command(opened: workspace.Workspace, order: Order) -> list[str]:
    assert order.due is not None
    due = format_time(order.due)
    return [sys.executable, str(_BACKUP), "backup", str(opened.file), order.plan, order.trigger, due]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--queues", default="default")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--drain", type=float, default=0.0)
    parser.add_argument("--real", action="store_true", help="real backups after all")
    parser.add_argument("--lost-after", type=float, default=120.0)
    parser.add_argument("--reaped-after", type=float, default=240.0)
    parser.add_argument("--forgotten-after", type=float, default=30.0)
    given = parser.parse_args()
    opened = workspace.open_workspace(given.file, on_invalid_record=lambda error: None)
    log.configure(opened.config.log)
    offer = worker.Offer(
        queues=tuple(given.queues.split(",")), concurrency=given.concurrency, drain=given.drain
    )
    settings = Settings(
        backup=Settings().backup if given.real else _backup_command,
        heartbeat=0.5,
        lost_after=given.lost_after,
        kill_after=3.0,
        reaped_after=given.reaped_after,
        most_deaths=2,
        room_pause=0.5,
        busy_pause=0.5,
        forgotten_after=given.forgotten_after,
        retry_pause=0.5,
    )
    worker.run(opened, offer, settings)


if __name__ == "__main__":
    main()
