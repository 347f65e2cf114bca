"""`backup --scheduled` and `drill --scheduled`, as cron calls them, with a real server."""

import json
from datetime import datetime, timedelta
from typing import Any

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.scheduler import Counted
from tests.integration.daemon.conftest import Daemons
from tests.support import forks
from tests.support.databases import Database


def run(daemons: Daemons, *arguments: str) -> list[dict[str, Any]]:
    """The records that it made."""
    done = forks.run("-c", str(daemons.file), *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_what_cron_starts_is_what_is_due_and_what_it_did_not_start_is_missed(
    daemons: Daemons, database: Database
) -> None:
    now = utc_now()
    schedule = f"{now.minute} {now.hour} * * *"
    server = {
        "host": "127.0.0.1",
        "port": database.server.port,
        "user": "postgres",
        "password_file": str(database.server.password_file),
        "bin_dir": str(database.server.programs.folder),
    }
    plan = {"databases": [database.name], "schedule": schedule, "grace": "2h"}
    drill = {"enabled": True, "schedule": schedule}
    daemons.configure({"p": {**plan, "drill": drill}}, server=server)
    note = daemons.root / "state" / "schedules" / "backups" / "p.json"
    note.parent.mkdir(parents=True)
    since = now - timedelta(days=3, minutes=5)
    note.write_bytes(codec.encode(Counted(schedule=f"{schedule} UTC", since=since)))

    (made,) = run(daemons, "backup", "p", "--scheduled")
    due = now.replace(second=0, microsecond=0)
    assert (made["status"], made["trigger"]) == ("succeeded", "schedule")
    assert datetime.fromisoformat(made["scheduled_for"]) == due
    assert run(daemons, "backup", "p", "--scheduled") == []

    records = {each["status"]: each for each in run(daemons, "list")}
    assert records["missed"]["missed_runs"] == 3
    assert datetime.fromisoformat(records["missed"]["scheduled_for"]) == due - timedelta(days=1)

    (proof,) = run(daemons, "drill", "p", "--scheduled")
    assert (proof["status"], proof["scheduled_for"]) == ("succeeded", made["scheduled_for"])
    assert run(daemons, "drill", "p", "--scheduled") == []
