"""Tables whose rows vanished since the backup before, and who has taken note of it."""

from __future__ import annotations

from pydantic import Field

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.model import Count, Model, UtcTime


class VanishedTable(Model):
    """A table that is gone, empty, or lost more of its rows than its plan lets pass."""

    table: str = Field(description='"schema"."table", quoted where PostgreSQL would')
    rows_before: Count = Field(description="in the newest earlier backup that counted them")
    rows: Count | None = Field(default=None, description="now; none where the table is gone")
    last_backup: str | None = Field(
        default=None, description="the newest kept backup that still has the rows, when this was seen"
    )

    def __str__(self) -> str:
        return f"{errors.one_line(self.table)}: {units.format_loss(self.rows_before, self.rows)}"


class Acknowledgement(Model):
    """Who has taken note that rows vanished, so that what still has them need not be held any longer."""

    at: UtcTime
    operator: str
    host: str = ""
    note: str = ""
