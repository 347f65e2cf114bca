"""What the planner knows of a restored database; what it cannot know costs nothing else."""

import pytest

from pgbackstop_runner.restore import table_statistics
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

# Each table has a reason of its own.
MANY = f"""
do $many$ begin
  for i in 1 .. {table_statistics.MOST_REASONS + 5} loop
    execute format('create table known_%1$s (n int)', i);
    execute format('create function picky_%1$s(text) returns text language plpgsql immutable
      as $$ begin perform count(*) from known_%1$s; return $1; end $$', i);
    execute format('create table names_%1$s (n text, m text)', i);
    execute format('create statistics on_names_%1$s on (picky_%1$s(n)), m from names_%1$s', i);
    execute format('insert into names_%1$s values (1, 2), (3, 4)', i);
  end loop;
end $many$
"""


@pytest.mark.usefixtures("edge_server")
def test_reasons_without_end_are_told_in_few_sentences(database: Database, place: Site) -> None:
    database.execute(MANY)
    places.backup(place)
    told = [each for each in places.restore(place).warnings if "no statistics" in each]
    assert len(told) == table_statistics.MOST_REASONS + 1
    assert "and 2 more: each for a reason of its own. Run ANALYZE" in told[-1]


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
