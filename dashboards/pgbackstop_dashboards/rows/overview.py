"""The first screen: is everything safe, to which second, what is the monitoring worth, and what is next?"""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import alerts, links, panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row, Word
from pgbackstop_dashboards.rows import not_well, proofs, restorable

_NO_PLAN: Final = -2
_OVERDUE: Final = -2
_NONE_ENABLED: Final = -3
_NO_DAEMON: Final = -2
_READONLY: Final = -2


def row() -> Row:
    """Without a heading, so that the number is the first thing on a phone too."""
    return Row(
        title="",
        panels=(
            _number(),
            restorable.table(width=20, height=6),
            _monitoring(),
            _free(),
            _next_run(),
            _critical(),
            _last_proof(),
        ),
    )


def _number() -> Panel:
    wrong = f"count({not_well.everything()})"
    none = promql.constant(0, promql.plan("backup_enabled"))
    no_plan = promql.constant(_NO_PLAN, promql.any_exporter())
    return panels.stat(
        "Need somebody",
        "The rows of the table below: plans whose backups are late, failed, never made, stuck or unknown, "
        "whose last drill failed, or that saw rows vanish; servers that are silent, whose WAL nobody "
        "receives, is more than five minutes behind, or has gaps; disks that are nearly full or read-only; "
        "catalogs that cannot be read; daemons that are dead; queues that no worker takes from. "
        "Not known: no exporter answers.",
        Query(expr=promql.first_known(wrong, none, no_plan), legend="need somebody"),
        unit="short",
        width=4,
        height=6,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        words=(theme.NOT_KNOWN, Word(value=_NO_PLAN, text="no plan", colour=theme.WARN)),
        links=links.TROUBLE_RUNBOOKS,
    )


def _monitoring() -> Panel:
    """What the page rests on. Numbers count what is not as it should be."""
    postgres = promql.server("backup_postgres_up")
    catalog = promql.exporter("backup_catalog_up")
    exporters = f'up{{job="pgbackstop",{promql.exporter("").strip("{}")}}}'
    heart = promql.exporter("backup_scheduler_heartbeat_timestamp_seconds")
    no_daemon = promql.constant(_NO_DAEMON, promql.any_exporter())
    return panels.stat(
        "What this page rests on",
        "Whether exporters answer, Prometheus evaluates the rules (its alert Watchdog fires), the catalog "
        "can be read, the daemon lives, PostgreSQL answers, and restores were proven in time. Numbers count "
        "what is not as it should be.",
        _count("Exporter", f"{exporters} == 0", promql.any_exporter()),
        _count("Alert rules", "", alerts.WATCHDOG),
        _count("Catalog", f"{catalog} == 0", catalog),
        Query(
            expr=promql.first_known(f"count(time() - {heart} > 120)", promql.constant(0, heart), no_daemon),
            legend="Daemon",
        ),
        _count("PostgreSQL", f"{postgres} == 0", postgres),
        Query(expr=proofs.not_proven(), legend="Restores"),
        unit="short",
        width=12,
        decimals=0,
        overrides=_tiles(),
        links=(
            links.runbook("BackupExporterDown", "What to do when the exporter is silent"),
            links.runbook("Watchdog", "What to do when rules are not evaluated"),
            links.runbook("CatalogUnreadable", "What to do when the catalog cannot be read"),
            links.runbook("SchedulerDead", "What to do when the daemon is dead"),
            links.runbook("PostgresUnreachable", "What to do when PostgreSQL is silent"),
            links.runbook("BackupNotProven", "What to do when restores are not proven"),
        ),
    )


def _count(name: str, bad: str, known_by: str) -> Query:
    counted = (f"count({bad})",) if bad else ()
    return Query(expr=promql.first_known(*counted, promql.constant(0, known_by)), legend=name)


def _tiles() -> tuple[Override, ...]:
    def tile(name: str, good: str, bad: str, *more: Word, unknown: str = "not known") -> Override:
        words = (
            Word(value=0, text=good, colour=theme.GOOD),
            Word(value=promql.NOT_KNOWN, text=unknown, colour=theme.BAD),
            *more,
        )
        return panels.tile(name, words=words, unit=f"suffix: {bad}")

    return (
        tile("Exporter", "answers", "silent", unknown="silent"),
        tile("Alert rules", "evaluated", "failing", unknown="not evaluated"),
        tile("Catalog", "readable", "unreadable"),
        tile("Daemon", "alive", "dead", Word(value=_NO_DAEMON, text="none has run", colour=theme.WARN)),
        tile("PostgreSQL", "answers", "silent"),
        tile(
            "Restores",
            "proven",
            "not proven",
            Word(value=proofs.NOT_DUE, text="not due yet", colour=theme.BUSY),
            Word(value=proofs.NO_DRILLS, text="no drills", colour=theme.WARN),
        ),
    )


def _free() -> Panel:
    share = f"{promql.exporter('disk_free_bytes')} / {promql.exporter('disk_size_bytes')}"
    readonly = promql.constant(_READONLY, f"{promql.exporter('disk_readonly')} == 1")
    return panels.stat(
        "Free on the fullest disk",
        "Free share of the fullest disk that holds backups. Red below 10 %, where the alert fires, and "
        "where one is read-only.",
        Query(expr=promql.first_known(readonly, f"min({share})"), legend="free"),
        unit="percentunit",
        width=3,
        decimals=1,
        steps=theme.FREE_SPACE,
        words=(theme.NOT_KNOWN, Word(value=_READONLY, text="read-only", colour=theme.BAD)),
        links=(
            links.runbook("BackupDiskSpaceLow", "What to do when it is full"),
            links.runbook("BackupDiskReadonly", "What to do when it is read-only"),
        ),
    )


def _next_run() -> Panel:
    enabled = f"{promql.plan('backup_enabled')} == 1"
    late = f"({promql.overdue()}) and {enabled}"
    due = promql.moment(f"min({promql.plan('backup_next_run_timestamp_seconds')} and {enabled})")
    none = promql.constant(_NONE_ENABLED, promql.any_exporter())
    return panels.stat(
        "Next run",
        "When the next backup is due, of all plans that are not paused. Overdue: one was due and did not "
        "start.",
        Query(expr=promql.first_known(promql.constant(_OVERDUE, late), due, none), legend="next run"),
        unit="dateTimeFromNow",
        width=3,
        words=(
            *theme.NEVER_IS_BAD,
            Word(value=_OVERDUE, text="overdue", colour=theme.BAD),
            Word(value=_NONE_ENABLED, text="none is enabled", colour=theme.WARN),
        ),
        links=(links.runbook("BackupScheduleMissed", "What to do when it is overdue"),),
    )


def _critical() -> Panel:
    none = f"({promql.constant(0, promql.any_exporter())}) and on () {alerts.WATCHDOG}"
    return panels.stat(
        "Critical alerts",
        "Critical alerts of pgbackstop that fire now; the table below names them. Not known: no exporter "
        "answers, which ends alerts that are made of its numbers, or Prometheus does not evaluate the rules.",
        Query(expr=promql.first_known(f"count({alerts.firing('critical')})", none), legend="alerts"),
        unit="short",
        width=3,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        words=(theme.NOT_KNOWN,),
    )


def _last_proof() -> Panel:
    drilled = promql.plan("backup_drill_success_timestamp_seconds")
    return panels.stat(
        "Last proven restore",
        "When a drill last restored a backup, as in an emergency. How long that took and what would be lost "
        "is in the table of proofs.",
        Query(expr=promql.first_known(promql.moment(f"max({drilled})")), legend="proof"),
        unit="dateTimeFromNow",
        width=3,
        words=(Word(value=0, text="never", colour=theme.WARN), theme.NOT_KNOWN),
        links=(links.runbook("BackupNotProven", "What to do when there is none"),),
    )


def attention() -> Row:
    """Only what is not well, and what fires."""
    return Row(title="", panels=(not_well.table(), _firing()))


def _firing() -> Panel:
    severities = (("critical", promql.CRITICAL), ("warning", promql.WARNING), ("info", promql.INFO))
    ranked = " or ".join(f"0 * {alerts.firing(name)} + {number}" for name, number in severities)
    silent = f"vector({promql.SILENT}) unless on () {alerts.WATCHDOG}"
    watchdog = f'label_replace({silent}, "alertname", "Watchdog", "", "")'
    return panels.table(
        "What fires",
        "Alerts of pgbackstop that fire now, the worst first. The name leads to its runbook: what it means "
        "and what to do. The alert Watchdog always fires, and is shown only while it does not: then "
        "Prometheus does not evaluate the rules, and no other alert can fire.",
        Query(
            expr=f"max by (alertname, where) ({_with_where(ranked)}) or {watchdog}",
            column="Severity",
        ),
        Query(
            expr=promql.moment(f"min by (alertname, where) ({_with_where(alerts.since())})"),
            column="Since",
        ),
        labels={"alertname": "Alert", "where": "Where"},
        sort_by="Severity",
        width=11,
        height=8,
        no_value="nothing fires",
        columns=(
            panels.column("Severity", 105, words=theme.SEVERITIES),
            panels.column("Alert", 205, links=(links.runbook_of_row(),)),
            panels.moment("Since", 145),
            panels.column("Where", 370),
        ),
    )


def _with_where(fired: str) -> str:
    """With the labels that say where in one; what is absent is so everywhere."""
    joined = (
        f'label_join({fired}, "where", " ", "server", "plan", "database", "path", "collector", "instance")'
    )
    return f'label_replace({joined}, "where", "everywhere", "where", " *")'
