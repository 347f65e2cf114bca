"""What a bucket's refusals mean: what to do, and whether the same request would be refused again."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

from obstore.exceptions import (
    InvalidPathError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from pgbackstop_catalog import units
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.storage.protocol import Lasting, StoreError

_OLD_KEYS = ("expiredtoken", "invalidaccesskeyid", "tokenrefreshrequired", "invalidtoken")
_LASTING = (
    FileNotFoundError,
    InvalidPathError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)


def told(error: Exception, name: str, path: str) -> StoreError:
    """The error of a storage of that name."""
    return (Lasting if _is_lasting(error) else StoreError)(
        f"The storage {name} cannot be used: {path}: {_first_line(error)}.", remedy=_remedy(error, name)
    )


def _is_lasting(error: Exception) -> bool:
    """Whether the same request would be refused again. Keys that were replaced are read anew for the next."""
    said = str(error).lower()
    if any(code in said for code in _OLD_KEYS):
        return False
    return isinstance(error, _LASTING) or _is_about_checksum(said)


def _is_about_checksum(said: str) -> bool:
    return "content-md5" in said or "x-amz-checksum" in said or "x-amz-sdk-checksum" in said


def _first_line(error: Exception) -> str:
    """obstore adds a long trace of what it tried; its first line says what it is."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _clock(said: str) -> str:
    """How far this host's clock is from the server's, where the answer has its time."""
    found = re.search(r"<ServerTime>([^<]{1,40})</ServerTime>", said)
    offset = "differs by too much from the server's"
    with contextlib.suppress(ValueError, TypeError, OverflowError):  # a server may answer anything
        if found is not None:
            ahead = (utc_now() - datetime.fromisoformat(found[1])).total_seconds()
            where = "ahead of" if ahead > 0 else "behind"
            offset = f"is {units.format_duration(abs(ahead))} {where} the server's"
    return f"This host's clock {offset}: set it, as by chrony or systemd-timesyncd."


def _remedy(error: Exception, name: str) -> str:
    """What to do; a bucket says in its answer's body what it wants, by the codes of S3.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    said = str(error).lower()
    if "requesttimetooskewed" in said:
        return _clock(str(error))
    if any(code in said for code in _OLD_KEYS):
        return f"The keys of {name} have expired or were replaced: put the new ones in their place."
    if re.search(r"status code: (429|5\d\d)", said):
        return (
            "The server has too much to do, or is away; what failed is tried again. If it stays so, "
            f"storages.{name}.rate_limit asks for less."
        )
    if _is_about_checksum(said):
        return (
            f"It is about storages.{name}.checksum: sha256 for a bucket that wants one, as with object lock; "
            "none for a server that knows none."
        )
    return "Check the endpoint, the bucket, the keys and their rights."
