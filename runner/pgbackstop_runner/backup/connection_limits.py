"""Connection limits of a role or database that leave no room for the sessions of a dump."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from pgbackstop_catalog.config.plan import Plan

# One session holds the snapshot, the others are of pg_dump; rows are counted in what is left.
_BESIDE_JOBS = 2
_LIMITS = """
    select 'role', quote_ident(rolname), rolconnlimit from pg_catalog.pg_roles where rolname = current_user
    union all
    select 'database', quote_ident(datname), datconnlimit from pg_catalog.pg_database
    where datname = current_database()"""


def needed(plan: Plan) -> int:
    """How many sessions in its database a dump of the plan has at the same time, at least."""
    return _BESIDE_JOBS + (plan.jobs if plan.format == "directory" and plan.jobs > 1 else 0)


def too_low(connection: psycopg.Connection, plan: Plan) -> Iterator[tuple[str, str]]:
    """What is wrong and what to run, for each limit that is too low for a role that is no superuser."""
    count = needed(plan)
    for kind, name, limit in connection.execute(_LIMITS).fetchall():
        if 0 <= limit < count:
            yield (
                f"A dump of this plan needs {count} connections; {kind} {name} has a limit of {limit}.",
                f"Run: alter {kind} {name} connection limit -1.",
            )
