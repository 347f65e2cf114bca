"""A real worker whose backups are stand-ins: run as ``python -m benchmarks.fleet.worker FILE …``.

A real backup takes a second of processor time before it has asked anything: a week of a thousand servers
would be two hours of two cores, and a thousand servers of PostgreSQL do not fit onto one machine. What is
tried here is who runs what, and whether that is told, so the child is psql with a script that writes the
records of a backup (run.sql). Whether it does well, fails, hangs, or ends without a word is drawn by the
seed, the plan and the due time: the same in every run, whoever makes it.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Final

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_runner import workspace
from pgbackstop_runner.daemon.plan_state import Order
from pgbackstop_runner.fleet import worker
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.system import log, origin

SCRIPT: Final = Path(__file__).with_name("run.sql")
# A quarter of the product's own patience, so that deaths are found out within a compressed day.
SETTINGS: Final = {"heartbeat": 2.0, "lost_after": 8.0, "kill_after": 3.0, "reaped_after": 16.0}
_SILENT: Final = ["sh", "-c", "exit 1"]


def backup_command(psql: Path, seed: str, opened: workspace.Workspace, order: Order) -> list[str]:
    """The command of the stand-in for a run."""
    chance = random.Random(f"{seed} {order.plan} {order.due}")  # noqa: S311 - to be the same again
    drawn, seconds = chance.random(), chance.uniform(0.05, 0.5)
    if drawn < 0.01:
        return _SILENT
    now, plan = utc_now(), opened.config.plans[order.plan]
    running = Backup(
        id=new_id(now),
        plan=order.plan,
        server=plan.server,
        backup_type=plan.backup_type,
        status=Status.RUNNING,
        trigger=order.trigger,
        scheduled_for=order.due,
        started_at=now,
        host=origin.here()["host"],
    )
    ended: dict[str, str] = {"status": Status.SUCCEEDED}
    if drawn < 0.05:
        ended = {"status": Status.FAILED, "reason": Reason.TOOL, "message": "pg_dump: exit status 1."}
    elif drawn < 0.06:  # until a watchdog ends it
        seconds = 6.0
        ended = {"status": Status.FAILED, "reason": Reason.STALLED, "message": "No byte came any more."}
    values = {
        "plan": order.plan,
        "id": running.id,
        "running": running.model_dump_json(),
        "ended": json.dumps(ended),
        "seconds": f"{seconds:.3f}",
        "exits_well": int(ended["status"] == Status.SUCCEEDED),
    }
    given = [f"--set={name}={value}" for name, value in values.items()]
    command = 'exec "$0" --set=pid=$$ "$@"'  # the process that the record names is the one that works
    return ["sh", "-c", command, str(psql), "--no-psqlrc", "--quiet", *given, f"--file={SCRIPT}"]


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--psql", type=Path, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--concurrency", type=int, default=4)
    given = parser.parse_args()
    opened = workspace.open_workspace(given.file, on_invalid_record=lambda error: None)
    log.configure(opened.config.log)
    settings = Settings(
        backup=lambda opened, order: backup_command(given.psql, given.seed, opened, order), **SETTINGS
    )
    worker.run(opened, worker.Offer(queues=("default",), concurrency=given.concurrency), settings)


if __name__ == "__main__":
    main()
