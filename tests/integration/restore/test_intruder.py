"""A database that is being filled lets nobody in, whom the dump would."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import accounts, backups, places
from tests.support.backups import Site
from tests.support.databases import Database

# On the way to the row the restore waits until the file is there.
GATE = """
    create function gate() returns boolean language plpgsql as $gate$
    begin
        while current_database() <> '{name}' and pg_stat_file('{file}', true) is null loop
            perform pg_sleep(0.05);
        end loop;
        return true;
    end $gate$;
    create table gated (n int check (gate()));
    insert into gated values (1);
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    made.chmod(0o755)
    accounts.unprivileged().own(made)
    yield made
    places.remove(made)


def test_nobody_enters_what_is_being_filled(database: Database, folder: Path) -> None:
    server, gate = database.server, folder / "open"
    database.execute(GATE.format(name=database.name, file=gate))
    server.execute(f"create role intruder_{database.name} login password 'known'")
    plans = {"daily": backups.plan(databases=[database.name])}
    site = Site(folder=folder / "site", server=server, plans=plans)
    site.make("daily")
    running = site.start("restore", "latest", "--plan", "daily", "--into", f"{database.name}_copy")
    waiting = "select datname from pg_stat_activity where query like '%gated%' and datname like 'shop%'"
    try:
        filled = f"{waiting} and datname <> '{database.name}' and state = 'active'"
        backups.until(lambda: server.execute(filled), "the restore at the gate")
        ((name,),) = set(server.execute(filled))
        who = f"host=127.0.0.1 port={server.port} user=intruder_{database.name} password=known"
        with pytest.raises(psycopg.OperationalError, match="too many connections for database"):
            psycopg.connect(who, dbname=str(name))
        with psycopg.connect(who, dbname=database.name) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        gate.touch()
        said, problems = running.communicate(timeout=backups.PATIENCE)
    assert running.returncode == 0, (said, problems)
    server.execute(f'drop database "{database.name}_copy"')
    server.execute(f"drop role intruder_{database.name}")
