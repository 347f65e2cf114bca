"""The disks that hold backups, and when they will be full."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row

# A weekly backup makes a sawtooth, so a shorter look back would see it fill every Sunday.
_LOOK_BACK: Final = "7d"
_LOW_RUNBOOK: Final = (links.runbook("BackupDiskSpaceLow", "What to do when it is full"),)


def row() -> Row:
    """Free space with a forecast."""
    return Row(title="Storage", panels=(_free(), _share(), _full_in(), _rounds(), _files(), _readonly()))


def _free() -> Panel:
    forecast = f"clamp_min(predict_linear(disk_free_bytes[{_LOOK_BACK}], 7 * 86400), 0)"
    return panels.lines(
        "Free space",
        "Bytes that a backup can still use. Dashed: what would be free a week later if it went on as in the"
        " week before, and the size of the disk.",
        Query(expr=promql.each_disk("disk_free_bytes"), legend="{{path}}"),
        Query(expr=promql.each_disk(forecast), legend="{{path}} in a week, forecast"),
        Query(expr=promql.each_disk("disk_size_bytes"), legend="{{path}} size of the disk"),
        unit="bytes",
        width=16,
        height=12,
    )


def _share() -> Panel:
    return panels.stat(
        "Free share",
        "Free share of each disk. Red below 10 %, where the alert fires.",
        Query(expr=promql.each_disk("disk_free_bytes / disk_size_bytes"), legend="{{path}}"),
        unit="percentunit",
        decimals=1,
        steps=theme.FREE_SPACE,
        links=_LOW_RUNBOOK,
    )


def _full_in() -> Panel:
    # Where nothing fills the disk the division is by zero, which PromQL answers with infinity.
    left = f"disk_free_bytes / clamp_min(-deriv(disk_free_bytes[{_LOOK_BACK}]), 0)"
    return panels.stat(
        "Full in",
        "When the disk will be full if it goes on as in the last seven days.",
        Query(expr=promql.each_disk(f"clamp_max({left}, {theme.FAR_AWAY})"), legend="{{path}}"),
        unit="s",
        words=theme.NOT_IN_SIGHT,
        links=(links.runbook("BackupDiskFilling", "What to do when it fills"),),
    )


def _rounds() -> Panel:
    rounds = promql.each_disk("disk_free_bytes / (disk_next_runs_bytes > 0)")
    return panels.stat(
        "Room for",
        "How often every enabled plan that writes to the disk could still run, at its usual size. Below 1 "
        "the next round does not fit.",
        Query(expr=rounds, legend="{{path}}"),
        unit="suffix: rounds",
        decimals=0,
        steps=theme.BELOW_IS_BAD,
        links=(links.runbook("BackupWillNotFit", "What to do when it does not fit"),),
        no_value="no usual size yet",
    )


def _files() -> Panel:
    return panels.stat(
        "Free files",
        "Files that a backup can still create; nothing where the file system does not count them.",
        Query(expr=promql.each_disk("disk_free_inodes"), legend="{{path}}"),
        unit="short",
        no_value="not counted",
    )


def _readonly() -> Panel:
    return panels.stat(
        "Writable",
        "Whether the file system is mounted for writing.",
        Query(expr=promql.each_disk("disk_readonly"), legend="{{path}}"),
        unit="short",
        words=theme.answers(yes="read-only", no="writable", bad=1),
        links=(links.runbook("BackupDiskReadonly", "What to do when it is read-only"),),
    )
