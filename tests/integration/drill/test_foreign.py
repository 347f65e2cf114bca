"""Foreign tables among the partitions and children of tables of ours are read by nobody: they are away."""

from pathlib import Path

from pgbackstop_catalog.records.attempt import Status
from tests.integration.drill.conftest import backed_up, drills
from tests.support import places
from tests.support.databases import Database
from tests.support.servers import Server

# Whoever reads a foreign table of file_fdw starts its program, which tells, and fails. ANALYZE starts
# none, and fails where there is no file.
FOREIGN = """
create extension file_fdw;
create server far foreign data wrapper file_fdw;
create table parted (n int, at date, id serial) partition by list (n);
create table near partition of parted for values in (1);
create foreign table apart partition of parted for values in (2)
  server far options (program 'echo read >> {told}; exit 1');
create foreign table lost partition of parted for values in (3) server far options (filename '/nowhere');
create table parent (n int);
create foreign table lost_child () inherits (parent) server far options (filename '/nowhere');
create foreign table child () inherits (parent) server far options (program 'echo read >> {told}; exit 1');
insert into near values (1, '2026-01-01'), (1, '2026-01-02');
insert into parent values (7);
"""


def test_what_is_far_is_not_asked(server: Server, database: Database) -> None:
    folder = places.make()
    told = Path(places.make()) / "told"
    told.parent.chmod(0o777)
    database.execute(FOREIGN.format(told=told))
    try:
        site = backed_up(database, folder / "site", schedule="0 2 29 2 *")
        counts = site.newest().row_counts or {}
        assert (counts.get("public.near"), counts.get("public.parent")) == (2, 1)
        done = site.run("drill", "daily")
        assert done.returncode == 0, done.stderr
        assert [each.status for each in drills(site)] == [Status.SUCCEEDED]
        restored = site.run("restore", "--database", database.name, "--yes-replace", database.name)
        assert restored.returncode == 0, restored.stderr
        analysed = "select distinct tablename from pg_stats where schemaname = 'public' order by 1"
        assert ("near",) in database.execute(analysed)
        assert "no statistics of public.parent: foreign tables" in restored.stdout
        one = site.run(
            "restore", "--database", database.name, "--into-schema", "beside", "--table", "public.parent"
        )
        assert one.returncode == 0, one.stderr
        assert not told.exists()
    finally:
        kept = f"select datname from pg_database where datname like '{database.name}\\_\\_%'"
        for (name,) in server.execute(kept):
            server.execute(f'drop database "{name}" with (force)')
        places.remove(folder)
        places.remove(told.parent)
