"""JSON from outside: one error for all that can be wrong with it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse(content: bytes | str) -> Any:
    """The document. Raises ValueError for whatever is none, NaN and Infinity included."""
    try:
        found = json.loads(content, parse_constant=_refuse)
    except RecursionError:
        msg = "is nested too deep"
        raise ValueError(msg) from None
    return found


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is no number of JSON"
    raise ValueError(msg)
