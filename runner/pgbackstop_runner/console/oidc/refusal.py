"""Why somebody does not get in by the provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pgbackstop_catalog import errors

_MOST_LETTERS: Final = 300


class NoEntry(Exception):
    """A sentence for the login page, with the status that the page has.

    503: the provider is not to be had, or answers what no provider should; 403: it is this person.
    """

    def __init__(self, problem: str, *, status: int = 503) -> None:
        super().__init__(problem)
        self.problem, self.status = problem, status


def quoted(words: str) -> str:
    """What the provider says, as a sentence can hold it. Pure."""
    return errors.one_line(words, _MOST_LETTERS)


def of_error(answer: Mapping[str, Any]) -> str:
    """What a provider says of an error: RFC 6749, 4.1.2.1 and 5.2; "" where it says nothing. Pure."""
    return quoted(": ".join(str(answer[key]) for key in ("error", "error_description") if key in answer))
