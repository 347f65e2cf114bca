"""What a database contains cannot take the disk of the drill's folder away from others."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from tests.integration.drill.conftest import drills, remains
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database

pytestmark = pytest.mark.root
# Where it is restored it writes for ever, and minds no error.
ENDLESS = """
create function fills(int) returns bool language plpgsql as $$
declare n int := 0;
begin
  if current_database() not like '%\\_\\_drill\\_%' then return true; end if;
  loop
    n := n + 1;
    begin
      execute format('copy (select {content}) to %L', current_setting('data_directory') || '/junk' || n);
    exception when others then perform pg_sleep(0.05);
    end;
  end loop;
end $$;
create table trap (n int check (public.fills(n)));
insert into trap values (1);
"""
CONTENTS = {"files": "1", "bytes": "repeat(''x'', 10000000)"}
SAYS = {"files": "more files can be made", "bytes": "are free"}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with little room."""
    folder = places.make()
    options = "size=300m,nr_inodes=6000,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("what", CONTENTS)
def test_a_drill_that_fills_its_disk_is_ended(what: str, database: Database, small: Path) -> None:
    folder = places.make()
    database.execute(ENDLESS.format(content=CONTENTS[what]))
    site = Site(
        folder=folder / "site",
        server=database.server,
        plans={"daily": backups.plan(databases=[database.name])},
        more={"drill_folder": str(small)},
    )
    site.made("daily")
    done = site.run("drill", "daily")
    assert done.returncode == 1
    assert SAYS[what] in backups.sentence(done)
    (proof,) = drills(site)
    assert (proof.status, proof.reason) == (Status.FAILED, Reason.SPACE)
    assert not remains(site)
    assert list(small.iterdir()) == []
    places.remove(folder)
