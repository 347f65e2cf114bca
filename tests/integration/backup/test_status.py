"""`pgbackstop status` on backups of a real server: before the first, after it, and when it is gone."""

import json
import shutil
from pathlib import Path

from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.servers import Server

NEVER_DUE = "0 0 29 2 *"


def test_from_nothing_to_safe_and_back(tmp_path: Path, pg17: Server, database: Database) -> None:
    site = Site(
        folder=tmp_path,
        server=pg17,
        plans={
            "p": plan(databases=[database.name], schedule=NEVER_DUE, max_age="25h", drill={"enabled": False})
        },
    )
    before = site.run("status")
    assert (before.returncode, before.stdout.splitlines()[0]) == (
        1,
        f"NOT SAFE: plan p, database {database.name}: there is no good backup yet.",
    ), before.stderr
    made = site.made("p")
    after = site.run("status", "--json")
    assert after.returncode == 0, after.stdout + after.stderr
    told = json.loads(after.stdout)
    (server,) = told["servers"]
    (only,) = told["plans"]
    assert (only["plan"], only["database"], only["state"]) == ("p", database.name, "ok")
    finished = json.loads(site.run("show", made.id, "--json").stdout)["finished_at"]
    assert server["databases_of"][:19] == only["last_success"][:19] == finished[:19]

    line = site.run("status", "--nagios")
    assert line.returncode == 0
    assert f"'p {database.name} size'={made.size_bytes}B;;;0" in line.stdout
    shutil.rmtree(site.path(made))
    gone = site.run("status", "--nagios")
    assert (gone.returncode, gone.stdout.split(" - ")[0]) == (2, "PGBACKSTOP CRITICAL")
