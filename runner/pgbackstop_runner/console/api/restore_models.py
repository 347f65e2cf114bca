"""What the API's restores and recoveries take and give."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pgbackstop_catalog.model import Model, UtcTime
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.console import restoring
from pgbackstop_runner.console.api.models import After, DatabaseName, NextAfter, Started

Tables = Annotated[
    tuple[str, ...],
    Field(min_length=1, max_length=restoring.MOST_TABLES, description="as the backup names them, quoted"),
]


class RestoreBesideAsked(Started):
    """A new database out of a logical backup; nothing is replaced."""

    into: DatabaseName = Field(description="the name of the new database")
    globals: bool = Field(default=False, description="create the roles that the server lacks")


class ReplaceAsked(Started):
    """The database in the place of the live one, which is kept aside."""

    globals: bool = Field(default=False, description="create the roles that the server lacks")
    accept_missing: bool = Field(
        default=False, description="replace it even where entries of the dump cannot be restored"
    )
    confirm: str = Field(default="", max_length=500, description="what the plan says under confirm")


class TablesAsked(Started):
    """Tables into a new schema of the same database; no table of it is touched."""

    tables: Tables
    into_schema: DatabaseName = Field(description="the name of the new schema")


class LostTablesAsked(Started):
    """Tables under their own names, where they are gone; what is there is never overwritten."""

    tables: Tables
    confirm: str = Field(default="", max_length=500, description="the name of the database")


class RecoverAsked(Started):
    """A server into a new directory of the backup's host; nothing that exists is replaced."""

    into: str = Field(min_length=1, max_length=400, description="the whole path of the new directory")
    time: UtcTime | None = Field(default=None, description="the moment; null: the newest byte")
    port: int | None = Field(default=None, ge=1, le=65535, description="start it on this port; null: do not")


class WayBackAsked(Started):
    """Undo a restore, or drop what it replaced."""

    confirm: str = Field(default="", max_length=500, description="the name of what is replaced or dropped")


class PlanLine(Model):
    """One thing that a restore would do, or needs."""

    what: str
    how: str


class RestorePlan(Model):
    """What a restore or recovery would do, as its ``--dry-run`` says it; nothing was touched.

    It can be started for ten minutes by the same body, by anybody who may.
    """

    as_of: UtcTime
    lines: tuple[PlanLine, ...] = Field(description="of a restore")
    text: str = Field(description="of a recovery")
    confirm: str = Field(description="what must be confirmed to start it; empty: nothing is replaced")


class RestoresAsked(Model):
    """Which page is wanted."""

    after: After = None


class RestorePage(Model):
    """Restores and recoveries on record, whoever started them, the newest first."""

    restores: tuple[Restore, ...]
    after: NextAfter


class RestoreDetails(Model):
    """A restore or recovery: its whole record, with its steps so far while it runs."""

    restore: Restore
