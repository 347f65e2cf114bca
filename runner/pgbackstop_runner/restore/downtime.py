"""The application around a restore: stopped before the swap, started and checked after, come what may."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Application, Hook
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore import application_hooks


@contextlib.contextmanager
def away(current: Journal, application: Application) -> Iterator[None]:
    """Stop it, and start it again whatever happens; its absence is the downtime."""
    begun = time.monotonic()
    try:
        stop(current, application)
        yield
    finally:
        start(current, application)
        current.note(downtime_seconds=round(time.monotonic() - begun, 3))


def stop(current: Journal, application: Application) -> None:
    """Raises PgbackstopError where the application does not stop; nothing is swapped under it."""
    if application.stop is not None and not _hook(current, "stop", application.stop):
        raise errors.PgbackstopError(
            f"The application does not stop: {_last_words(current)}.",
            remedy="The live database was not touched. Mend the stop hook of the server, or stop it by hand.",
        )


def start(current: Journal, application: Application) -> None:
    """Start and check; a failure is told, and does not undo the restore."""
    if application.start is not None and not _hook(current, "start", application.start):
        current.warn(f"The application does not start: {_last_words(current)}. Start it by hand.")
    elif application.check is not None and not _hook(current, "check", application.check):
        current.warn(f"The application does not answer as it should: {_last_words(current)}.")


def _hook(current: Journal, name: application_hooks.HookName, hook: Hook) -> bool:
    with current.step(name):
        done = application_hooks.run(name, hook)
        current.note(hooks=(*current.record.hooks, done))
    return done.ok


def _last_words(current: Journal) -> str:
    output = current.record.hooks[-1].output.strip().splitlines()
    return output[-1] if output else "it said nothing"
