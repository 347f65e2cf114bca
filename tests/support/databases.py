"""Fresh databases with the small shop, cloned from one template per server."""

import secrets
from dataclasses import dataclass

import psycopg

from tests.support import shop
from tests.support.servers import Server

TEMPLATE = "shop_template"


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database of a throw-away server."""

    server: Server
    name: str

    @property
    def conninfo(self) -> str:
        return self.server.conninfo(self.name)

    @property
    def environment(self) -> dict[str, str]:
        """libpq's variables for child processes."""
        return {**self.server.environment, "PGDATABASE": self.name}

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the superuser, in autocommit mode."""
        return self.server.connect(self.name)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Runs SQL on a connection of its own and returns the rows."""
        return self.server.execute(statement, self.name)

    def row_counts(self) -> dict[str, object]:
        """The rows of each of the shop's tables, counted."""
        return {table: self.execute(f"SELECT count(*) FROM {table}")[0][0] for table in shop.ROW_COUNTS}

    def rows(self) -> dict[str, list[object]]:
        """Every row of each of the shop's tables, as text, in order."""
        return {table: [row for (row,) in self.execute(rows_query(table))] for table in shop.ROW_COUNTS}

    def drop(self) -> None:
        """Drops it, ending the connections that somebody left; quiet when it is gone."""
        self.server.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


def rows_query(table: str) -> str:
    """All rows of a table as text, in order."""
    return f"SELECT t::text FROM {table} AS t ORDER BY 1"


def fresh(server: Server, options: str = "") -> Database:
    """A new database that is empty; ``options`` are CREATE DATABASE's."""
    name = f"fresh_{secrets.token_hex(4)}"
    server.execute(f"CREATE DATABASE {name} {options}")
    return Database(server=server, name=name)


def clone(server: Server) -> Database:
    """A new database with the shop; the first call on a server makes the template."""
    known = server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'")
    if not known:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        server.execute(shop.SQL, TEMPLATE)
        server.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    name = f"shop_{secrets.token_hex(4)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return Database(server=server, name=name)
