"""The base of every value that is written down, and the small types that they share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from pgbackstop_catalog import moments

# Unix time begins, and there is room to count a century on without leaving Python's calendar.
_YEARS: Final = range(1970, 9000)
_MOST: Final = 2**63 - 1  # what PostgreSQL's bigint, a file system and a metric can hold

_SEGMENT_SIZES: Final = frozenset(2**power for power in range(20, 31))


# For those who have the model anyway.
utc_now, format_time = moments.utc_now, moments.format_time


def _in_utc(moment: datetime) -> datetime:
    # Looked at first: the conversion of a moment at the calendar's ends overflows.
    if moment.year not in _YEARS:
        msg = f"must be a time of the years {_YEARS.start} to {_YEARS.stop - 1}"
        raise ValueError(msg)
    return moment.astimezone(UTC)


def _of_wal(size: int) -> int:
    # https://www.postgresql.org/docs/current/app-initdb.html: --wal-segsize
    if size not in _SEGMENT_SIZES:
        msg = "must be a size of WAL segments: a power of two from 1 MiB to 1 GiB"
        raise ValueError(msg)
    return size


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc), PlainSerializer(format_time, when_used="json")]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Timeline = Annotated[int, Field(ge=0, le=2**32 - 1)]
Seconds = Annotated[float, Field(ge=-1e10, le=1e10)]  # three centuries: what may be added to any time
SegmentBytes = Annotated[int, AfterValidator(_of_wal)]


class Model(BaseModel):
    """Frozen and keyword-only; an unknown key is an error; changed by ``evolve``.

    Every number is finite and bounded (Count, Timeline, SegmentBytes, Seconds): what is computed with was
    read from files that anybody may have damaged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    @classmethod
    def defaults(cls) -> Self:
        """The value of which nothing was said; ``cls()`` would build its validator too, at import."""
        return super().model_construct()

    def evolve(self, **changes: Any) -> Self:
        """A validated copy of this value with some fields changed."""
        return type(self).model_validate({**dict(self), **changes})
