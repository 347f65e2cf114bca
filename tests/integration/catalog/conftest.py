"""An empty database for a catalog, and a runner that has its catalog there."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from tests.support import catalogs
from tests.support.backups import Site, plan
from tests.support.servers import Server

_NUMBERS = itertools.count()


@pytest.fixture
def place(edge_server: Server) -> Iterator[CatalogDatabase]:
    """Of the oldest and the newest version."""
    name = f"catalog_{next(_NUMBERS)}"
    edge_server.execute(f"create database {name} encoding 'UTF8' template template0")
    yield catalogs.place_on(edge_server, name)
    edge_server.execute(f"drop database {name} with (force)")


@pytest.fixture
def site(place: CatalogDatabase, edge_server: Server, tmp_path: Path) -> Site:
    """A runner whose catalog is in PostgreSQL, and that backs that up."""
    plans = {"fleet": plan(databases=[place.database])}
    return Site(folder=tmp_path, server=edge_server, plans=plans, more={"catalog": catalogs.keys(place)})
