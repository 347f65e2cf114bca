"""A restore that is killed at any step leaves the live database whole, and the next start says what to do."""

from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.integration.restore import image, places
from tests.support.backups import Site
from tests.support.databases import Database

# The end of each step, as the log tells it: the kill comes right after, in the step that follows.
MOMENTS = ("event=create", "event=restore ", "event=analyze", "event=validate", "event=stop", "event=swap")


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(moment: str, database: Database, tmp_path: Path) -> None:
    gate = tmp_path / "killed"  # until then it cannot come to its end
    wait = {"command": ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"], "timeout": "600s"}
    application = {"stop": {"command": ["true"]}, "start": wait}
    place = Site(
        folder=tmp_path,
        server=database.server,
        plans={"shop": {"server": "main", "backup_type": "logical", "databases": [database.name]}},
        server_settings={"application": application},
    )
    backed_up = image.of(database.server, database.name)
    places.backup(place)
    database.execute("delete from orders where id > 5")
    live = image.of(database.server, database.name)

    places.kill_at(place, moment, gate, "--yes-replace", database.name)

    (record,) = places.restores(place)
    after = image.of(database.server, database.name)
    swapped = f"{database.name}__before_{record.short_id}" in places.databases(database.server)
    assert after == (backed_up if swapped else live)
    assert swapped or moment != "event=swap"

    told = place.run("restore", "--clean")
    assert told.returncode == 0, told.stderr
    assert f"restore {record.id}: The process that made it" in told.stderr
    assert ("goes back" if swapped else "was not touched") in told.stderr
    assert places.restores(place)[0].status is Status.INTERRUPTED
    assert record.scratch_database not in places.databases(database.server)

    again = place.run("restore", "--yes-replace", database.name)
    assert again.returncode == 0, again.stderr
    assert image.of(database.server, database.name) == backed_up
