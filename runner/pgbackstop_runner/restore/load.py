"""Filling an empty database from a dump: pg_restore for archives, psql for SQL.

An error of the data, or of what comes before them, ends it; entries after them that cannot be restored, and
rows of an extension's configuration, are noted, and the rest goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import error_messages
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore import archive_load, script_load
from pgbackstop_runner.restore.dump_source import Source


def fill(server: Server, database: str, binaries: Binaries, source: Source, server_major: int) -> None:
    """Restore the dump into the database. Raises AttemptFailed with the tool's words and what to do.

    Tools of 17 and later set a parameter that older servers do not know, and only they read what they wrote:
    for those, pg_restore writes a script, from which that is taken out.
    """
    is_too_new = binaries.major >= script_load.NO_TRANSACTION_TIMEOUT > server_major
    with _explained():
        if source.plain or is_too_new:
            script_load.fill(server, database, binaries, source, server_major)
        else:
            archive_load.fill(server, database, binaries, source)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Add what to do to well-known last words."""
    try:
        yield
    except AttemptFailed as error:
        found = error_messages.meaning(error.problem, error_messages.RESTORING)
        if found is None:
            raise
        raise AttemptFailed(found.reason, error.problem, remedy=found.remedy) from error
