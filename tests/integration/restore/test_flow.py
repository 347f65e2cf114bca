"""A restore gives back what was backed up, to the last row and setting, and can be undone."""

from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.restore import undo
from tests.integration.restore import image, places
from tests.support.databases import Database
from tests.support.servers import Server


@pytest.fixture
def dressed(edge_server: Server, database: Database) -> Database:
    """The shop with everything that is the database's own and stands in no table."""
    server, name = edge_server, database.name
    server.execute(f'create role {name}_owner; create role "{name} reader"')
    server.execute(f"alter database {name} owner to {name}_owner")
    server.execute(f"alter database {name} set work_mem = '7MB'")
    server.execute(f"alter database {name} set default_transaction_read_only = on")
    server.execute(f'alter role {name}_owner in database {name} set search_path = public, "a, b"')
    server.execute(f"alter database {name} connection limit 17")
    server.execute(f"comment on database {name} is 'the shop''s\n\\connect postgres\n'")
    server.execute(f"revoke connect on database {name} from public")
    server.execute(f'grant connect on database {name} to "{name} reader"')
    return database


@pytest.mark.parametrize("kind", places.FORMATS)
def test_everything_comes_back_and_goes_away_again(
    kind: str, edge_server: Server, dressed: Database, tmp_path: Path
) -> None:
    server, name = edge_server, dressed.name
    place = places.site(tmp_path, server, name, format=kind)
    before = image.of(server, name)
    made = places.backup(place)
    server.execute(f"alter database {name} set default_transaction_read_only = off")
    dressed.execute("drop table orders; delete from products where id > 7")
    damaged = image.of(server, name)

    done = places.restore(place)

    assert done.status is Status.SUCCEEDED, done.message
    assert image.of(server, name) == before
    closed = f"select not datallowconn from pg_database where datname = '{done.replaced_database}'"
    assert server.execute(closed) == [(True,)]
    assert (done.backup, done.database, done.target) == (made.id, name, name)
    assert {check.name for check in done.checks if check.ok} >= {
        "rows",
        "indexes",
        "constraints",
        "sequences",
    }
    assert done.downtime_seconds is not None
    assert done.downtime_seconds > 0

    undone = undo.undo(place.workspace, done, timeout=60)

    assert image.of(server, name) == damaged
    assert undone.undone_database in places.databases(server)
    assert done.replaced_database not in places.databases(server)
    for left in (undone.undone_database, name):
        server.execute(f'drop database "{left}" with (force)')
