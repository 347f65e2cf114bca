"""What the planner knows of a restored database; what it cannot know costs nothing else."""

import pytest

from tests.integration.restore import places
from tests.support.backups import Site
from tests.support.databases import Database

# ANALYZE calls the function with nothing in its search_path.
PICKY = """
create table known (n int);
create function picky(text) returns text language plpgsql immutable
  as $$ begin perform count(*) from known; return $1; end $$;
create table names (n text, m text);
create statistics on_names on (picky(n)), m from names;
insert into names select 'a' || n, 'b' from generate_series(1, 100) n;
create table parted (n int) partition by range (n);
create table low partition of parted for values from (0) to (50);
create table high partition of parted for values from (50) to (100) partition by list (n);
create table highest partition of high for values in (99);
insert into parted select 7 from generate_series(1, 100);
insert into parted select 99 from generate_series(1, 100);
"""
ANALYSED = "select distinct tablename, inherited from pg_stats where schemaname = 'public' order by 1, 2"


@pytest.mark.usefixtures("edge_server")
def test_a_table_that_cannot_be_analysed_is_told(database: Database, place: Site) -> None:
    database.execute(PICKY)
    places.backup(place)
    done = places.restore(place)
    assert [each for each in done.warnings if "known" in each] == [
        'The planner has no statistics of public.names: relation "known" does not exist. Run ANALYZE on them '
        "when that is mended."
    ]
    analysed = dict.fromkeys(database.execute(ANALYSED))
    assert {("parted", True), ("high", True), ("low", False), ("highest", False)} <= analysed.keys()
