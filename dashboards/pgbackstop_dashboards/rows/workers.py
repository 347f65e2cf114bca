"""Who makes the backups of a fleet: queues, hosts of workers, and the lists that servers are known from."""

from __future__ import annotations

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Link, Override, Panel, Query, Row, Step


def row() -> Row:
    """Empty where one daemon serves all, and nobody else lists servers."""
    return Row(title="Workers and lists of servers", panels=(_queues(), _hosts(), _lists()))


def _each(label: str, metric: str, column: str) -> Query:
    return Query(expr=f"max by ({promql.EXPORTER_LABELS}, {label}) ({metric})", column=column)


def _first(label: str, metric: str, column: str) -> Query:
    """The same for the column that says when nothing is known."""
    query = _each(label, metric, column)
    return Query(expr=promql.or_silence(query.expr, label), column=column)


def _judged(name: str, width: int, steps: tuple[Step, ...], link: Link) -> Override:
    """The column of the number that says whether the row is well."""
    return panels.column(name, width, decimals=0, words=(theme.NOT_KNOWN,), steps=steps, links=(link,))


def _queues() -> Panel:
    since = promql.exporter("backup_queue_waiting_since_timestamp_seconds")
    limit = promql.exporter("backup_queue_max_wait_seconds")
    waited = f"(time() - ({since} > 0)) / {limit} or 0 * {since}"
    return panels.table(
        "Queues",
        "Of each queue how many living workers take runs from it, how many due runs wait and how many go "
        "on, and for how long one has waited for room, of the limit, which is at 100 %. Empty without "
        "workers.",
        _first("queue", promql.exporter("backup_queue_workers"), "Workers"),
        _each("queue", promql.exporter("backup_queue_waiting_runs"), "Wait"),
        _each("queue", promql.exporter("backup_queue_running_runs"), "Go on"),
        _each("queue", waited, "Longest"),
        labels={"queue": "Queue", "instance": "Exporter"},
        width=10,
        sort_by="Wait",
        no_value="no workers",
        columns=(
            panels.column("Queue", 130),
            _judged(
                "Workers",
                85,
                theme.BELOW_IS_BAD,
                links.runbook("QueueWithoutWorker", "What to do when there is none"),
            ),
            panels.column("Wait", 65, decimals=0),
            panels.column("Go on", 65, decimals=0),
            panels.share(
                "Longest",
                80,
                links=(links.runbook("QueueWaitTooLong", "What to do when runs wait for long"),),
            ),
            panels.column("Exporter", 140),
        ),
    )


def _hosts() -> Panel:
    return panels.table(
        "Hosts of workers",
        "Of each host how many workers live, and how many died that nobody started anew there. Empty without "
        "workers.",
        _first("host", promql.exporter("backup_workers_lost"), "Lost"),
        _each("host", promql.exporter("backup_workers"), "Live"),
        labels={"host": "Host", "instance": "Exporter"},
        width=7,
        sort_by="Lost",
        no_value="no workers",
        columns=(
            panels.column("Host", 150),
            _judged("Lost", 60, theme.NONE_IS_GOOD, links.runbook("WorkerLost", "What to do when one died")),
            panels.column("Live", 60, decimals=0),
            panels.column("Exporter", 140),
        ),
    )


def _lists() -> Panel:
    last = promql.exporter("backup_discovery_last_success_timestamp_seconds")
    age = f"(time() - {last}) / {promql.exporter('backup_discovery_max_age_seconds')}"
    return panels.table(
        "Lists of servers",
        "Of each source under discovery how many servers its list has, when it was last taken, and how long "
        "ago that is of the limit, which is at 100 %. Empty where the configuration names all servers.",
        _first("source", age, "Of limit"),
        _each("source", promql.exporter("backup_discovery_servers"), "Servers"),
        _each("source", promql.moment(last), "Taken"),
        labels={"source": "Source", "instance": "Exporter"},
        width=7,
        sort_by="Of limit",
        no_value="no lists",
        columns=(
            panels.column("Source", 110),
            panels.share(
                "Of limit", 75, links=(links.runbook("DiscoveryStale", "What to do when it is old"),)
            ),
            panels.column("Servers", 75, decimals=0),
            panels.moment("Taken", 135, words=theme.NEVER_IS_BAD),
            panels.column("Exporter", 130),
        ),
    )
