"""A catalog in a database of a server of tests, and how a configuration names it."""

from typing import Any

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from tests.support.servers import Server


def place_on(server: Server, database: str) -> CatalogDatabase:
    """The catalog in that database."""
    return CatalogDatabase(
        host="127.0.0.1",
        port=server.port,
        user=server.superuser,
        password_file=server.password_file,
        database=database,
    )


def keys(place: CatalogDatabase) -> dict[str, Any]:
    """The value of a configuration's ``catalog``."""
    named = {name: getattr(place, name) for name in ("host", "port", "user", "database")}
    return {"postgres": {**named, "password_file": str(place.password_file)}}
