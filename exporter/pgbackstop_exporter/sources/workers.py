"""Workers around a catalog in PostgreSQL, and the runs and WAL that they share. By the database's clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, LiteralString

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records import codec
from pgbackstop_exporter.snapshot import DueRun, FleetFacts, WorkerFacts

_WORKERS: Final[LiteralString] = """
    select host, queues, heartbeat_at > pg_catalog.clock_timestamp() - lost_after
    from pgbackstop.worker order by name"""
_RUNS: Final[LiteralString] = """
    select plan, queue, state = 'running', extract(epoch from asked_at)::float8
    from pgbackstop.due_run where state in ('queued', 'running') order by plan, due_at"""
_WAL: Final[LiteralString] = "select server, state from pgbackstop.wal_lease where state is not null"


def read(ask: Callable[[LiteralString], list[tuple[Any, ...]]]) -> FleetFacts:
    """What they are now; ``ask`` returns a query's rows, and its errors are raised."""
    return FleetFacts(
        workers=tuple(
            WorkerFacts(host=host, queues=tuple(queues), is_alive=is_alive)
            for host, queues, is_alive in ask(_WORKERS)
        ),
        runs=tuple(
            DueRun(plan=plan, queue=queue, is_running=is_running, asked=asked)
            for plan, queue, is_running, asked in ask(_RUNS)
        ),
        wal=_receivers(ask(_WAL)),
    )


def _receivers(rows: list[tuple[Any, ...]]) -> dict[str, WalState]:
    """What the receivers said, but for those of a version that says more than ours understands."""
    found = {}
    for server, state in rows:
        with suppress(errors.CatalogError):
            found[str(server)] = codec.decode(WalState, state.encode(), where=f"the lease of {server}")
    return found
