"""An operation that somebody started in the console, as it stands and as it is kept on disk. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import Field

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import Count, Model, UtcTime

Verb = Literal["backup", "verify", "drill", "expire", "restore", "undo", "drop", "recover"]
State = Literal["running", "ending", "succeeded", "incomplete", "failed", "cancelled", "interrupted"]
_BACKUP_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6,8}")


class Operation(Model):
    """One command that was started, and who asked for it.

    ``pid``, ``process_started`` (clock ticks since the machine's start) and ``boot`` tell its process from
    any other. ``exit_code`` is None while it runs, and where it was killed. ``restore`` is the id of the
    restore that it undoes, or whose old database it drops. ``words`` are the last lines that it wrote.
    """

    record_version: Literal[1] = 1
    kind: Literal["operation"] = "operation"
    id: str = Field(pattern=r"^[0-9a-f]{8,32}$")
    verb: Verb
    subject: str
    user: str
    started_at: UtcTime
    restore: str = ""
    pid: int | None = None
    process_started: Count = 0
    boot: str = ""
    finished_at: UtcTime | None = None
    exit_code: int | None = None
    cancelled_by: str = ""
    words: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.finished_at is None

    @property
    def is_of_plan(self) -> bool:
        """Whether its subject is a plan, and not one backup."""
        return not _BACKUP_ID.fullmatch(self.subject)

    @property
    def state(self) -> State:
        """How it stands, in one word."""
        if self.is_running:
            return "ending" if self.cancelled_by else "running"
        if self.exit_code == 0:
            return "succeeded"
        if self.exit_code == errors.EntriesMissing.exit_code:
            return "incomplete"
        if self.cancelled_by:
            return "cancelled"
        # Nobody asked for its end, and it did not come to one itself.
        was_ended = self.exit_code is None or self.exit_code in _SIGNALLED or self.exit_code < 0
        return "interrupted" if was_ended else "failed"

    @property
    def meaning(self) -> str:
        """What its exit code says, in the words of the reference."""
        meanings = dict(errors.EXIT_CODES)
        return meanings.get(self.exit_code, "") if self.exit_code is not None else ""


_SIGNALLED: Final = {errors.Interrupted.exit_code}
