"""Metrics of workers, and of the queues that they take runs from."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import metric

_WORKERS: Final = "rows of workers"
_RUNS: Final = "rows of due runs"
_HOST: Final = ("host",)
_QUEUE: Final = ("queue",)
ALIVE: Final = metric.own("backup_workers", "Workers of the host that live.", _WORKERS, _HOST)
LOST: Final = metric.own(
    "backup_workers_lost",
    "Workers of the host that died, until others are started there in their place, for a day at most.",
    _WORKERS,
    _HOST,
)
QUEUE_WORKERS: Final = metric.own(
    "backup_queue_workers", "Living workers that take runs from the queue.", _WORKERS, _QUEUE
)
WAITING: Final = metric.own("backup_queue_waiting_runs", "Due runs that wait in the queue.", _RUNS, _QUEUE)
RUNNING: Final = metric.own("backup_queue_running_runs", "Runs of the queue that go on.", _RUNS, _QUEUE)
WAITING_SINCE: Final = metric.own(
    "backup_queue_waiting_since_timestamp_seconds",
    "Unix time since when the run waits that waits the longest, but for those that wait for the run before "
    "of their own plan; 0 = none.",
    _RUNS,
    _QUEUE,
)
MAX_WAIT: Final = metric.own(
    "backup_queue_max_wait_seconds", "Limit of the time that a run waits in a queue.", metric.CONFIG, _QUEUE
)

GROUP: Final = metric.Group(
    title="Per host and queue of workers",
    about="Where `workers` are enabled, from the catalog's database. Queues are those of servers with a plan "
    "that is not paused, and those that have runs or workers.",
    metrics=(ALIVE, LOST, QUEUE_WORKERS, WAITING, RUNNING, WAITING_SINCE, MAX_WAIT),
)
