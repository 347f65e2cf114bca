"""Where the catalog is: a folder, or a database of PostgreSQL that several hosts share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from pgbackstop_catalog.config.connection import Connection
from pgbackstop_catalog.model import Model


class CatalogDatabase(Connection):
    """The database that holds the catalog, in its schema `pgbackstop`."""

    database: str = Field(
        default="pgbackstop", min_length=1, description="the database, in UTF8; a plan should back it up"
    )
    user: str = Field(default="pgbackstop", description="the role that owns the schema pgbackstop there")


class CatalogInPostgres(Model):
    """A catalog in PostgreSQL, for several hosts."""

    postgres: CatalogDatabase = Field(description="the database that holds it")


TAGS = frozenset({"folder", "mapping"})  # pydantic's names of the two, which are no keys of the file


def _tag(value: Any) -> str:
    return "mapping" if isinstance(value, dict | CatalogInPostgres) else "folder"


CatalogPlace = Annotated[
    Annotated[Path, Tag("folder")] | Annotated[CatalogInPostgres, Tag("mapping")], Discriminator(_tag)
]
