"""A person's word that a backup stays, whatever retention says."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from pgbackstop_catalog.model import Model, UtcTime, format_time
from pgbackstop_catalog.text import joined, said

_LONGEST_NOTE = 500


def _of_one_line(text: str) -> str:
    if not text.isprintable():
        msg = "must be one line without control characters"
        raise ValueError(msg)
    return text


Note = Annotated[str, Field(max_length=_LONGEST_NOTE), AfterValidator(_of_one_line)]


class Pin(Model):
    """Who keeps a backup, why, and until when; without ``until`` until somebody unpins it."""

    at: UtcTime
    operator: str
    host: str = ""
    note: Note = ""
    until: UtcTime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it has not ended yet."""
        return self.until is None or now < self.until

    def __str__(self) -> str:
        who = said("pinned by {operator}", operator=self.operator)
        if self.until is not None:
            until = format_time(self.until)
            who = said("pinned by {operator} until {until}", operator=self.operator, until=until)
        return joined(": ", [who, self.note]) if self.note else who
