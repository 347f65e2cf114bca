"""Why somebody does not get in by the provider."""

from __future__ import annotations


class NoEntry(Exception):
    """A sentence for the login page, with the status that the page has.

    503: the provider is not to be had, or answers what no provider should; 403: it is this person.
    """

    def __init__(self, problem: str, *, status: int = 503) -> None:
        super().__init__(problem)
        self.problem, self.status = problem, status
