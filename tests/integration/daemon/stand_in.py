"""A daemon whose backups are small programs that write records: a real process for the edges of time.

A plan's behaviour is a file of its name beside the configuration: words "sleep SECONDS", "exit CODE",
"silent" (writes no record), "say TEXT", "busy" (as if the plan ran by hand), "stubborn" (ignores SIGTERM).
What the daemon alone needs is imported by the daemon alone: each of the many backups would pay for it.
"""

import argparse
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_runner import workspace

if TYPE_CHECKING:
    from pgbackstop_runner.daemon.plan_state import Order


def serve(file: Path) -> None:
    from pgbackstop_runner.daemon import service, settings  # noqa: PLC0415 - see above
    from pgbackstop_runner.system import log  # noqa: PLC0415

    opened = workspace.open_workspace(file, on_invalid_record=lambda error: None)
    log.configure(opened.config.log)
    service.run(
        opened,
        settings.Settings(
            backup=_backup_command,
            receive=_receive_command,
            heartbeat=0.5,
            busy_pause=0.5,
            first_pause=0.2,
            longest_pause=1.0,
            healthy=30.0,
            gap_pause=2.0,
            abandoned_pause=0.5,
        ),
    )


def _backup_command(opened: workspace.Workspace, order: "Order") -> list[str]:
    due = format_time(order.due) if order.due else ""
    return [*_ourselves("backup", opened), order.plan, order.trigger, due]


def _receive_command(opened: workspace.Workspace, server: str) -> list[str]:
    return [*_ourselves("receive", opened), server]


def _ourselves(what: str, opened: workspace.Workspace) -> list[str]:
    return [sys.executable, __file__, what, str(opened.file)]


def backup(file: Path, plan: str, trigger: str, due: str) -> None:
    behaviour = _behaviour(file, plan)
    if "stubborn" in behaviour:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, _interrupted)
    opened = workspace.open_workspace(file, on_invalid_record=lambda error: None)
    if "say" in behaviour:
        sys.stderr.write(behaviour["say"] + "\n")
    if "busy" in behaviour:
        sys.exit(4)
    if "silent" in behaviour:
        _end(behaviour)
    now = utc_now()
    running = Backup.model_validate(
        {
            "id": new_id(now),
            "plan": plan,
            "server": opened.config.plans[plan].server,
            "backup_type": opened.config.plans[plan].backup_type,
            "status": Status.RUNNING,
            "trigger": trigger,
            "scheduled_for": datetime.fromisoformat(due) if due else None,
            "started_at": now,
            "pid": os.getpid(),
        }
    )
    try:
        opened.catalog.put(running)  # a signal may come as soon as the record can be seen
        if "sleep" in behaviour:  # libfaketime refuses to sleep for no time
            time.sleep(float(behaviour["sleep"]))
    except Ended:
        interrupted = running.evolve(
            status=Status.INTERRUPTED, reason=Reason.INTERRUPTED, finished_at=utc_now()
        )
        opened.catalog.put(interrupted)
        sys.exit(130)
    code = behaviour.get("exit")
    done = {"status": Status.SUCCEEDED} if code is None else {"status": Status.FAILED, "reason": Reason.TOOL}
    opened.catalog.put(running.evolve(finished_at=utc_now(), **done))
    _end(behaviour)


def receive(file: Path, server: str) -> None:
    """A receiver that notes each start, and ends by itself when told so."""
    with (file.parent / f"{server}.starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    time.sleep(float(_behaviour(file, server).get("sleep", "600")))


class Ended(Exception):
    """By SIGTERM; no OSError, which writing a record would take for a broken disk."""


def _interrupted(number: int, _frame: FrameType | None) -> None:
    # A dead parent's threads end one after the other, and the kernel sends the signal for each.
    signal.signal(number, signal.SIG_IGN)
    raise Ended


def _end(behaviour: dict[str, str]) -> None:
    sys.exit(int(behaviour.get("exit", "0")))


def _behaviour(file: Path, name: str) -> dict[str, str]:
    path = file.parent / f"{name}.does"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["serve", "backup", "receive"])
    parser.add_argument("file", type=Path)
    parser.add_argument("rest", nargs="*")
    given = parser.parse_args()
    if given.what == "serve":
        serve(given.file)
    elif given.what == "backup":
        backup(given.file, *given.rest)
    else:
        receive(given.file, *given.rest)


if __name__ == "__main__":
    main()
