"""The server and the database as they were when they were backed up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from pgbackstop_catalog.model import Count, Model, Seconds, SegmentBytes, Timeline

# PostgreSQL writes LSNs as two hexadecimal halves: https://www.postgresql.org/docs/current/datatype-pg-lsn.html
Lsn = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{1,8}/[0-9A-F]{1,8}$")]


class Tablespace(Model):
    """A tablespace of the server; ``location`` is where the server keeps it."""

    oid: Count
    name: str
    location: str
    size_bytes: Count = 0


class ServerFacts(Model):
    """The server as it was when it was backed up."""

    version: str
    version_number: Count
    system_identifier: str = ""
    timeline: Timeline | None = None
    wal_segment_bytes: SegmentBytes | None = None
    data_checksums: bool | None = None
    libc: str = ""
    tablespaces: tuple[Tablespace, ...] = ()
    clock_offset_seconds: Seconds | None = Field(
        default=None, description="how far its clock was ahead of this host's; negative: behind"
    )
    preload_libraries: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The major version of PostgreSQL: 17 of 170005."""
        return self.version_number // 10000


class Extension(Model):
    """An installed extension of the database."""

    name: str
    version: str


class DatabaseFacts(Model):
    """The database as it was when it was dumped: all that CREATE DATABASE needs."""

    encoding: str
    collate: str
    ctype: str
    locale_provider: str = "libc"
    locale: str = ""
    collation_version: str = ""
    owner: str = ""
    extensions: tuple[Extension, ...] = ()
