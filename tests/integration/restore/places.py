"""A site with one plan for one database, and what can be asked of its restores."""

from pathlib import Path
from typing import Any

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.restore import plan_text, planning, run
from pgbackstop_runner.restore.plan import RestoreRequest
from pgbackstop_runner.restore.select_backup import BackupQuery
from tests.support import backups
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.servers import Server

FORMATS = ("custom", "directory", "plain")


def site(folder: Path, server: Server, *databases: str, **plan: Any) -> Site:
    """A site whose plan "shop" dumps these databases."""
    settings = {"databases": list(databases), **plan}
    return Site(folder=folder, server=server, plans={"shop": backups.plan(**settings)})


def that_waits(gate: Path, database: Database) -> Site:
    """A site whose application does not stop before that file is there."""
    script = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    hooks = {"application": {"stop": {"command": ["sh", "-c", script], "timeout": "60s"}}}
    return Site(
        folder=gate.parent,
        server=database.server,
        plans={"shop": backups.plan(databases=[database.name])},
        server_settings=hooks,
    )


def backup(place: Site) -> Backup:
    """Makes the plan's backup in this process."""
    (made,) = place.make("shop")
    assert made.is_available, made.message
    return made


def restore(place: Site, **request: Any) -> Restore:
    """Restores in this process, as a person who has confirmed."""
    workspace = place.workspace
    wish = RestoreRequest(**{"wanted": BackupQuery(), **request})
    with planning.plan_restore(workspace, wish) as drawn:
        return run.run(workspace, drawn)


def lines(place: Site, **request: Any) -> list[tuple[str, str]]:
    """What a dry run tells."""
    wish = RestoreRequest(**{"wanted": BackupQuery(), **request})
    with planning.plan_restore(place.workspace, wish) as drawn:
        return list(plan_text.lines(drawn, utc_now()))


def kill_at(place: Site, moment: str, gate: Path, *words: str) -> None:
    """Start a restore and kill it as soon as its log has that; the gate is what it would wait for."""
    with place.start("restore", *words) as running:
        assert running.stderr is not None
        try:
            assert any(moment in line for line in running.stderr)
        finally:
            running.kill()
            gate.touch()


def restores(place: Site) -> list[Restore]:
    """What is on record, the newest first."""
    return list(place.catalog.restores())


def databases(server: Server) -> set[str]:
    """The databases of the server but PostgreSQL's own and the template of the tests."""
    rows = server.execute("select datname from pg_database where not datistemplate and datname <> 'postgres'")
    return {str(name) for (name,) in rows}
