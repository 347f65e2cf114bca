"""The disks that hold backups, and when they will be full."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row

# A weekly backup makes a sawtooth, so a shorter look back would see it fill every Sunday.
_LOOK_BACK: Final = "7d"
_FREE: Final = promql.exporter("disk_free_bytes")
_SIZE: Final = promql.exporter("disk_size_bytes")


def row() -> Row:
    """Free space with a forecast."""
    return Row(title="Capacity", panels=(_table(), _free()))


def _table() -> Panel:
    rounds = f"{_FREE} / ({promql.exporter('disk_next_runs_bytes')} > 0)"
    # Where nothing fills the disk the division is by zero, which PromQL answers with infinity.
    left = f"{_FREE} / clamp_min(-deriv({_FREE}[{_LOOK_BACK}]), 0)"
    return panels.table(
        "Every disk",
        "Free share: red below 10 %, where the alert fires. Full in: if it goes on as in the last seven "
        "days. Room for: how often every enabled plan that writes to the disk could still run, at its usual "
        "size. Files: that can still be created, where the file system counts them.",
        Query(expr=promql.each_disk(f"1 - {_FREE} / {_SIZE}"), column="Used"),
        Query(expr=promql.each_disk(f"{_FREE} / {_SIZE}"), column="Free share"),
        Query(expr=promql.each_disk(_FREE), column="Free"),
        Query(expr=promql.each_disk(_SIZE), column="Size"),
        Query(expr=promql.each_disk(f"clamp_max({left}, {theme.FAR_AWAY})"), column="Full in"),
        Query(expr=promql.each_disk(rounds), column="Room for"),
        Query(expr=promql.each_disk(promql.exporter("disk_free_inodes")), column="Files"),
        Query(expr=promql.each_disk(promql.exporter("disk_readonly")), column="Writable"),
        labels={"path": "Disk", "instance": "Exporter"},
        columns=_columns(),
        sort_by="Used",
        height=6,
    )


def _columns() -> tuple[Override, ...]:
    low = links.runbook("BackupDiskSpaceLow", "What to do when it is full")
    return (
        panels.column("Disk", 320),
        panels.share("Used", 90, decimals=1, steps=()),
        panels.share("Free share", 110, decimals=1, steps=theme.FREE_SPACE, links=(low,)),
        panels.column("Free", 110, unit="decbytes", decimals=1),
        panels.column("Size", 110, unit="decbytes", decimals=1),
        panels.span(
            "Full in",
            170,
            words=theme.NOT_IN_SIGHT,
            links=(links.runbook("BackupDiskFilling", "What to do when it fills"),),
        ),
        panels.column(
            "Room for",
            130,
            unit="suffix: rounds",
            decimals=1,
            steps=theme.BELOW_IS_BAD,
            links=(links.runbook("BackupWillNotFit", "What to do when it does not fit"),),
            no_value="no size yet",
        ),
        panels.column("Files", 110),
        panels.column(
            "Writable",
            120,
            words=theme.answers(yes="read-only", no="writable", bad=1),
            links=(links.runbook("BackupDiskReadonly", "What to do when it is read-only"),),
        ),
        panels.column("Exporter", 170),
    )


def _free() -> Panel:
    """A forecast wants two days, and no disk has more room than its size."""
    bounded = f"clamp_min(predict_linear({_FREE}[{_LOOK_BACK}], 7 * 86400), 0) < {_SIZE} or {_SIZE}"
    forecast = f"({bounded}) and last_over_time({_FREE}[6h] offset 2d)"
    return panels.lines(
        "Free space",
        "Bytes that a backup can still use. Dashed: what would be free a week later if it went on as in the"
        " week before, and the size of the disk.",
        Query(expr=promql.each_disk(_FREE), legend="{{path}}"),
        Query(expr=promql.each_disk(forecast), legend="{{path}} in a week, forecast"),
        Query(expr=promql.each_disk(_SIZE), legend="{{path}} size of the disk"),
        unit="decbytes",
        width=24,
        height=9,
    )
