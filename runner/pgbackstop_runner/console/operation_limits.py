"""Which operations of the console may run side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import said, word
from pgbackstop_runner.console.operation import Operation, Verb

MOST_AT_ONCE: Final = 4


def check(known: Iterable[Operation], verb: Verb, subject: str, *, is_stopping: bool) -> None:
    """Raises Busy where the same runs already, or as many as may, or the daemon stops."""
    if is_stopping:
        raise errors.Busy(
            said("The daemon stops; nothing is started."), remedy=said("Try again once it is back.")
        )
    running = [each for each in known if each.is_running]
    for each in running:
        if (each.verb, each.subject) == (verb, subject):
            raise errors.Busy(
                said(
                    "{verb} of {subject} runs already, started by {user}.",
                    verb=word(verb),
                    subject=subject,
                    user=each.user,
                ),
                remedy=said("Watch that one under Activity, or cancel it there."),
            )
    if len(running) >= MOST_AT_ONCE:
        raise errors.Busy(
            said("{n} operations of the console run already.", n=len(running)),
            remedy=said("Wait until one has ended, or cancel one under Activity."),
        )
