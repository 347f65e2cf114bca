"""The base of every value that is written down, and the small types that they share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer


def utc_now() -> datetime:
    """The wall clock. Never subtract two of these for a duration: the clock may jump."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """``2026-11-22T02:00:00.123Z``: ISO 8601, UTC, milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


UtcTime = Annotated[
    AwareDatetime,
    AfterValidator(lambda moment: moment.astimezone(UTC)),
    PlainSerializer(format_time, when_used="json"),
]


class Model(BaseModel):
    """Frozen and keyword-only; an unknown key is an error; changed by ``but``."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def evolve(self, **changes: Any) -> Self:
        """A validated copy of this value with some fields changed."""
        return type(self).model_validate({**dict(self), **changes})
