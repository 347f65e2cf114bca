"""The metrics of workers and their queues: pure, from a snapshot."""

from __future__ import annotations

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_exporter.families.samples import Families, labels
from pgbackstop_exporter.metrics import worker_metrics
from pgbackstop_exporter.snapshot import DueRun, FleetFacts, Snapshot


def add(families: Families, snapshot: Snapshot) -> None:
    """Every series of every host and queue, where workers make the runs."""
    config, catalog = snapshot.settings.config, snapshot.catalog
    if not config.workers.enabled or catalog is None or catalog.fleet is None:
        return
    _add_hosts(families, catalog.fleet)
    # What waits for a plan that is gone is nobody's to run.
    runs = tuple(run for run in catalog.fleet.runs if run.plan in config.plans)
    for queue in sorted(_queues(config, catalog.fleet, runs)):
        _add_queue(families, queue, catalog.fleet, runs)
        families.add(worker_metrics.MAX_WAIT, labels(queue=queue), config.workers.max_wait)


def _add_hosts(families: Families, fleet: FleetFacts) -> None:
    for host in sorted({worker.host for worker in fleet.workers}):
        alive = [worker.is_alive for worker in fleet.workers if worker.host == host]
        families.add(worker_metrics.ALIVE, labels(host=host), sum(alive))
        families.add(worker_metrics.LOST, labels(host=host), len(alive) - sum(alive))


def _queues(config: Config, fleet: FleetFacts, runs: tuple[DueRun, ...]) -> set[str]:
    servers = {plan.server for plan in config.plans.values() if plan.enabled}
    return {
        *(config.servers[server].queue for server in servers),
        *(queue for worker in fleet.workers if worker.is_alive for queue in worker.queues),
        *(run.queue for run in runs),
    }


def _add_queue(families: Families, queue: str, fleet: FleetFacts, runs: tuple[DueRun, ...]) -> None:
    where = labels(queue=queue)
    running = {run.plan for run in runs if run.is_running}
    waiting = [run for run in runs if run.queue == queue and not run.is_running]
    for_room = [run.asked for run in waiting if run.plan not in running]
    workers = sum(worker.is_alive and queue in worker.queues for worker in fleet.workers)
    families.add(worker_metrics.QUEUE_WORKERS, where, workers)
    families.add(worker_metrics.WAITING, where, len(waiting))
    families.add(worker_metrics.RUNNING, where, sum(run.is_running and run.queue == queue for run in runs))
    families.add(worker_metrics.WAITING_SINCE, where, min(for_room, default=0.0))
