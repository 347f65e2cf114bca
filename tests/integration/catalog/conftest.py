"""An empty database for a catalog, and how the configuration names it."""

import itertools
from collections.abc import Iterator

import pytest

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from tests.support.servers import Server

_NUMBERS = itertools.count()


def place_on(server: Server, database: str) -> CatalogDatabase:
    return CatalogDatabase(
        host="127.0.0.1",
        port=server.port,
        user=server.superuser,
        password_file=server.password_file,
        database=database,
    )


@pytest.fixture
def place(edge_server: Server) -> Iterator[CatalogDatabase]:
    """Of the oldest and the newest version."""
    name = f"catalog_{next(_NUMBERS)}"
    edge_server.execute(f"create database {name} encoding 'UTF8' template template0")
    yield place_on(edge_server, name)
    edge_server.execute(f"drop database {name} with (force)")
