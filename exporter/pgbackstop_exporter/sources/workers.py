"""The workers around a catalog in PostgreSQL, and the runs that they share. By the database's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, LiteralString

from pgbackstop_exporter.snapshot import DueRun, FleetFacts, WorkerFacts

_WORKERS: Final[LiteralString] = """
    select host, queues, heartbeat_at > pg_catalog.clock_timestamp() - lost_after
    from pgbackstop.worker order by name"""
_RUNS: Final[LiteralString] = """
    select plan, queue, state = 'running', extract(epoch from asked_at)::float8
    from pgbackstop.due_run where state in ('queued', 'running') order by plan, due_at"""


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
    )
