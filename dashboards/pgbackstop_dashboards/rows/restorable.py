"""To which second each server can be restored: the product's question, answered on the reader's clock."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Word
from pgbackstop_dashboards.rows import plans

LAG_LIMIT: Final = 300  # seconds; as in the alert WalLagging
_WAL: Final = 1
_DUMPS: Final = 2
_BASE_BACKUP: Final = 3
_NOT_YET: Final = -2
_LATEST: Final = "backup_latest_recoverable_timestamp_seconds"
_ELSEWHERE: Final = "backup_wal_copy_latest_recoverable_timestamp_seconds"
_LAG: Final = "backup_wal_lag_seconds"


def table(*, width: int, height: int) -> Panel:
    """One line per server."""
    physical = promql.each_server(f"{promql.server(_LATEST)} > 0")
    until = f"{physical} or {_dumps()} or {promql.each_server(promql.server(_LATEST))}"
    return panels.table(
        "To which second can each server be restored?",
        "Restorable until: what was committed later would be lost with the server. By WAL: to any second "
        "since the beginning; by dumps: to the beginning of the newest dump of the database that is worst "
        "off. Of limit: 100 % is where the alert fires (WalLagging, BackupTooOld). Proven until: to where a "
        "drill has really recovered the server. If host lost: to when another storage recovers it alone. "
        "Copies late: copies in other storages that lack the newest backup.",
        Query(
            expr=promql.or_silence(f"{_not_yet(until)} or {promql.moment(f'({until})')}", "server"),
            column="Restorable until",
        ),
        Query(expr=f"round(time() - (({until}) > 0))", column="Behind by"),
        Query(expr=_share(), column="Of limit"),
        Query(expr=_way(), column="By"),
        Query(expr=promql.moment(f"({_since()})"), column="Restorable from"),
        Query(
            expr=promql.moment(
                promql.each_server(promql.server("backup_proven_recoverable_timestamp_seconds"))
            ),
            column="Proven until",
        ),
        Query(expr=promql.moment(promql.each_server(promql.server(_ELSEWHERE))), column="If host lost"),
        Query(expr=promql.each_server(promql.server("backup_postgres_up")), column="PostgreSQL"),
        Query(expr=_receiver(), column="Receiver"),
        Query(expr=promql.each_server(promql.server("backup_wal_missing_segments")), column="Gaps"),
        Query(expr=f"sum by ({promql.SERVER_LABELS}) ({plans.copies_behind()})", column="Copies late"),
        labels={"server": "Server", "instance": "Exporter"},
        width=width,
        height=height,
        sort_by="Of limit",
        columns=(
            panels.column("Server", 115),
            panels.clock(
                "Restorable until",
                words=(*theme.NEVER_IS_BAD, Word(value=_NOT_YET, text="not yet", colour=theme.BUSY)),
                no_value="not known",
            ),
            panels.stopwatch("Behind by", 100),
            panels.filled(panels.share("Of limit")),
            panels.column("By", 60, words=_WAYS),
            panels.clock("Restorable from", no_value="not known"),
            panels.clock("Proven until", words=theme.NEVER),
            panels.clock(
                "If host lost",
                185,
                words=theme.NEVER,
                links=(links.runbook("WalCopyBehind", "What to do when it is far behind"),),
            ),
            panels.column(
                "PostgreSQL",
                105,
                words=theme.answers(yes="answers", no="silent", bad=0),
                links=(links.runbook("PostgresUnreachable", "What to do when it is silent"),),
                no_value="not known",
            ),
            panels.column(
                "Receiver",
                95,
                words=theme.answers(yes="connected", no="nobody", bad=0),
                links=(links.runbook("WalReceiverDown", "What to do when nobody receives"),),
            ),
            panels.column(
                "Gaps", 55, steps=theme.NONE_IS_GOOD, links=(links.runbook("WalGap", "What to do about it"),)
            ),
            panels.column("Copies late", 100, steps=theme.NONE_IS_GOOD),
            panels.column("Exporter", 100),
        ),
    )


_WAYS: Final = (
    Word(value=_WAL, text="WAL"),
    Word(value=_DUMPS, text="dumps"),
    Word(value=_BASE_BACKUP, text="base"),
)


def _not_yet(until: str) -> str:
    """Servers without a backup whose plans are all as they should be: none was due."""
    none = f"({until}) == 0 unless on ({promql.SERVER_LABELS}) {promql.needs_somebody()}"
    return promql.when(none, _NOT_YET)


def _dumps() -> str:
    """The beginning of the newest dump, whose snapshot it holds, of the database that is worst off; 0: one "
    "has none."""
    success = promql.plan("backup_last_success_time", promql.LOGICAL)
    began = f"{success} - {promql.plan('backup_duration_seconds', promql.LOGICAL)} or {success}"
    newest = f"max by ({promql.SERVER_LABELS}, database) ({began})"
    return f"min by ({promql.SERVER_LABELS}) ({newest})"


def _since() -> str:
    """The earliest moment: of the recovery window, else of the oldest dump."""
    earliest = promql.each_server(f"{promql.server('backup_earliest_recoverable_timestamp_seconds')} > 0")
    oldest = promql.plan("backup_oldest_timestamp_seconds", promql.LOGICAL)
    return f"{earliest} or min by ({promql.SERVER_LABELS}) ({oldest})"


def _is_recoverable() -> str:
    return promql.each_server(f"{promql.server(_LATEST)} > 0")


def _share() -> str:
    """How far the server is behind, of what the rules allow: by WAL, else by the age of its oldest newest "
    "backup."""
    lag = f"{promql.each_server(promql.server(_LAG))} / {LAG_LIMIT}"
    by_wal = f"({lag}) and {_is_recoverable()}"
    by_base = _oldest(promql.PHYSICAL)
    by_dumps = _oldest(promql.LOGICAL)
    return f"({by_wal}) or ({by_base} and {_is_recoverable()}) or {by_dumps}"


def _oldest(kind: str) -> str:
    age = f"time() - ({promql.plan('backup_last_success_time', kind)} > 0)"
    share = f"({age}) / {promql.plan('backup_max_age_seconds', kind)}"
    best = f"min by ({promql.SERVER_LABELS}, database) ({share})"
    return f"max by ({promql.SERVER_LABELS}) ({best})"


def _way() -> str:
    recoverable = _is_recoverable()
    by_wal = f"0 * ({promql.each_server(promql.server(_LAG))} and {recoverable}) + {_WAL}"
    return f"{by_wal} or 0 * {recoverable} + {_BASE_BACKUP} or 0 * ({_dumps()} > 0) + {_DUMPS}"


def _receiver() -> str:
    """Where PostgreSQL is silent nobody knows who is connected; where no WAL is archived nobody should be."""
    slot = promql.each_server(promql.server("backup_wal_slot_active"))
    archived = promql.each_server(promql.server(_LAG))
    silent = promql.each_server(f"{promql.server('backup_postgres_up')} == 0")
    return f"{slot} or 0 * ({archived} and {silent}) + {promql.NOT_KNOWN}"
