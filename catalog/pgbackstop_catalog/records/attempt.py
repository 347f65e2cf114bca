"""What the records of every attempt have: names, how it stands, why it failed, its steps."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, StringConstraints

from pgbackstop_catalog.model import Model, Seconds
from pgbackstop_catalog.text import NAME_PATTERN

RECORD_VERSION: Final = 1
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
BackupType = Literal["logical", "physical"]


def _inside(path: str) -> str:
    # Not by PurePosixPath: a backup of 20,000 tables has a path for each, looked at whenever it is read.
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        msg = "must be a path inside the folder"
        raise ValueError(msg)
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]


class Status(StrEnum):
    """How an attempt stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSED = "missed"


class Reason(StrEnum):
    """Why an attempt failed: the short, fixed list that metrics use as a label."""

    UNREACHABLE = "unreachable"
    RIGHTS = "rights"
    CLIENT = "client"
    SPACE = "space"
    STORAGE = "storage"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    TOOL = "tool"
    INCOMPLETE = "incomplete"
    CORRUPT = "corrupt"
    INTERRUPTED = "interrupted"
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


class Step(Model):
    """One step of the flow and how long it took."""

    name: str
    duration_seconds: Seconds
    detail: str = ""
