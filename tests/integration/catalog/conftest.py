"""An empty database for a catalog, and how the configuration names it."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from tests.support.backups import Site, plan
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


def keys(place: CatalogDatabase) -> dict[str, Any]:
    """The catalog as a configuration names it."""
    named = {name: getattr(place, name) for name in ("host", "port", "user", "database")}
    return {"postgres": {**named, "password_file": str(place.password_file)}}


@pytest.fixture
def site(place: CatalogDatabase, edge_server: Server, tmp_path: Path) -> Site:
    """A runner whose catalog is in PostgreSQL, and that backs that up."""
    plans = {"fleet": plan(databases=[place.database])}
    return Site(folder=tmp_path, server=edge_server, plans=plans, more={"catalog": keys(place)})
