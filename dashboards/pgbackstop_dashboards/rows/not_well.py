"""What needs somebody: plans, servers, disks, catalogs, daemons and queues that are not as they should be.

The number of the first screen counts the rows of the table, so that the two agree.
"""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Word
from pgbackstop_dashboards.rows import plans, restorable

# Beside the states of plans, and above them: what their alerts call critical, but for the first.
_BEHIND: Final = 10
_GAPS: Final = 11
_NOT_RECEIVED: Final = 12
_VANISHED: Final = 13
_DRILL_FAILED: Final = 14
_DISK_LOW: Final = 15
_READONLY: Final = 16
_DAEMON_DEAD: Final = 17
_NO_WORKER: Final = 18
_CATALOG: Final = 19
_UNREACHABLE: Final = 20

STATES: Final = (
    *theme.STATES,
    Word(value=_BEHIND, text="WAL is behind", colour=theme.BAD),
    Word(value=_GAPS, text="WAL has gaps", colour=theme.BAD),
    Word(value=_NOT_RECEIVED, text="no receiver", colour=theme.BAD),
    Word(value=_VANISHED, text="rows vanished", colour=theme.BAD),
    Word(value=_DRILL_FAILED, text="drill failed", colour=theme.BAD),
    Word(value=_DISK_LOW, text="disk low", colour=theme.BAD),
    Word(value=_READONLY, text="read-only", colour=theme.BAD),
    Word(value=_DAEMON_DEAD, text="daemon dead", colour=theme.BAD),
    Word(value=_NO_WORKER, text="no worker", colour=theme.BAD),
    Word(value=_CATALOG, text="no catalog", colour=theme.BAD),
    Word(value=_UNREACHABLE, text="silent", colour=theme.BAD),
)


def everything() -> str:
    """One series for each that needs somebody; its value is the state."""
    return " or ".join((promql.needs_somebody(), *_of_plans(), *_of_servers(), *_of_hosts()))


def table() -> Panel:
    """Each of them with the reason."""
    of_plans = f"and on ({promql.PLAN_LABELS}) {promql.needs_somebody()}"
    success = promql.each_plan(promql.plan("backup_last_success_time"))
    in_a_row = promql.each_plan(promql.plan("backup_consecutive_failures"))
    return panels.table(
        "Not well",
        "What needs somebody, the worst first, with the reason: plans and databases, and servers, disks, "
        "catalogs, daemons and queues of workers, which have no plan. `pgbackstop list` has the last words "
        "of a failure. The name of a plan leads to its own page, its state to the runbooks.",
        Query(expr=promql.or_silence(everything(), "plan", promql.SILENT), column="State"),
        Query(expr=_why()),
        Query(expr=promql.moment(f"({success} {of_plans})"), column="Last success"),
        Query(expr=f"({in_a_row}) {of_plans}", column="In a row"),
        labels={name: heading for name, heading in plans.LABELS.items() if name != "backup_type"}
        | {"reason": "Why"},
        width=13,
        height=8,
        sort_by="State",
        no_value="nobody is needed",
        columns=(
            panels.filled(panels.column("State", 110, words=STATES, links=links.TROUBLE_RUNBOOKS)),
            *plans.names(),
            panels.column("Why", 210, words=theme.REASONS),
            panels.moment("Last success", 110),
            panels.column("In a row", 75, decimals=0),
            panels.column("Exporter", 100),
        ),
    )


def _of_plans() -> tuple[str, ...]:
    """Good backups of which something is to be feared, as in BackupDrillFailed and BackupDataVanished."""
    failure = promql.plan("backup_drill_failure_timestamp_seconds")
    success = promql.plan("backup_drill_success_timestamp_seconds")
    wanted = f"{promql.plan('backup_proof_max_age_seconds')} and {promql.plan('backup_enabled')} == 1"
    failed = promql.each_plan(f"{failure} > {success} and {wanted}")
    vanished = promql.each_plan(f"{promql.plan('backup_vanished_tables')} > 0")
    return promql.when(failed, _DRILL_FAILED), promql.when(vanished, _VANISHED)


def _of_servers() -> tuple[str, ...]:
    """Of two of one server the first is told."""
    return (
        promql.when(_servers("backup_postgres_up", "== 0"), _UNREACHABLE),
        promql.when(_servers("backup_wal_slot_active", "== 0"), _NOT_RECEIVED),
        promql.when(_servers("backup_wal_missing_segments", "> 0"), _GAPS),
        promql.when(_servers("backup_wal_lag_seconds", f"> {restorable.LAG_LIMIT}"), _BEHIND),
    )


def _servers(metric: str, condition: str) -> str:
    return promql.each_server(f"{promql.server(metric)} {condition}")


def _of_hosts() -> tuple[str, ...]:
    """What an exporter says of its disks, its catalog, the daemon and the queues of workers."""
    unreadable = _unreadable()
    silent = f"time() - {promql.exporter('backup_scheduler_heartbeat_timestamp_seconds')} > 120"
    dead = f"{silent} unless on ({promql.EXPORTER_LABELS}) {unreadable}"
    return (
        promql.when(_readonly(), _READONLY),
        promql.when(_low(), _DISK_LOW),
        promql.when(f"max by ({promql.EXPORTER_LABELS}) ({unreadable})", _CATALOG),
        promql.when(f"max by ({promql.EXPORTER_LABELS}) ({dead})", _DAEMON_DEAD),
        promql.when(_without_worker(), _NO_WORKER),
    )


def _unreadable() -> str:
    return f"{promql.exporter('backup_catalog_up')} == 0"


def _without_worker() -> str:
    """Queues from which nobody takes runs, where that is known: as in QueueWithoutWorker."""
    none = (
        f"{promql.exporter('backup_queue_workers')} == 0 unless on ({promql.EXPORTER_LABELS}) {_unreadable()}"
    )
    return f"max by ({promql.EXPORTER_LABELS}, queue) ({none})"


def _readonly() -> str:
    return promql.each_disk(f"{promql.exporter('disk_readonly')} == 1")


def _low() -> str:
    share = f"{promql.exporter('disk_free_bytes')} / {promql.exporter('disk_size_bytes')}"
    return promql.each_disk(f"{share} < {theme.LOW_DISK}")


def _why() -> str:
    """The reason of a plan or server, the path of a disk, the name of a queue."""
    of_plans = f"{promql.reason()} and on ({promql.PLAN_LABELS}) {promql.needs_somebody()}"
    asked = promql.server("backup_postgres_unreachable_info")
    of_servers = f"max by ({promql.SERVER_LABELS}, reason) ({asked})"
    of_disks = f'label_replace({_readonly()} or {_low()}, "reason", "$1", "path", "(.+)")'
    of_queues = f'label_replace({_without_worker()}, "reason", "queue $1", "queue", "(.+)")'
    return f"({of_plans}) or {of_servers} or {of_disks} or {of_queues}"
