"""``pgbackstop du``: what is stored where, by plan, and when a storage is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pgbackstop_catalog import units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_catalog.decisions.usage import StorageUsage, Usage

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = (
    terminal.Column(title="STORAGE"),
    terminal.Column(title="SERVER"),
    terminal.Column(title="PLAN"),
    terminal.Column(title="TYPE"),
    terminal.Column(title="COUNT", right=True),
    terminal.Column(title="SIZE", right=True),
)


@app.command(epilog=options.examples("du --json"))
def du(json: options.Json = False) -> None:
    """Say what is stored where: bytes by storage, server, plan and type, WAL too; and when a storage is full.

    As the records have it: no remote storage is asked. Growth is that of backups in the last 30 days.
    """
    opened = options.open_workspace()
    from pgbackstop_catalog.model import utc_now  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_runner.overview import usage  # noqa: PLC0415

    found = usage.read(opened, utc_now())
    if json:
        terminal.document(
            {
                "shares": [_share(each) for each in found.shares],
                "storages": [_storage(each) for each in found.storages],
            }
        )
        return
    if found.shares:
        terminal.table(_COLUMNS, map(_row, found.shares))
        terminal.say("")
    for each in found.storages:
        terminal.say(_sentence(each))


def _row(each: Usage) -> tuple[str, ...]:
    share = each.share
    count = f"{each.count:,}"
    return (
        share.storage,
        share.server,
        share.plan or "-",
        share.what,
        count,
        units.format_size(each.size_bytes),
    )


def _sentence(each: StorageUsage) -> str:
    words = [f"{each.storage} holds {units.format_size(each.size_bytes)}"]
    if each.growth is not None:
        how = "grows by" if each.growth >= 0 else "shrinks by"
        words.append(f"{how} {units.format_size(abs(round(each.growth)))} a day")
    if each.room_bytes is not None:
        words.append(f"has room for {units.format_size(max(0, each.room_bytes))}")
    days = each.days_until_full
    if days is not None:
        words.append(f"is full in about {units.format_duration(days * 86400)}")
    return ", ".join(words)


def _share(each: Usage) -> dict[str, object]:
    share = each.share
    return {
        "storage": share.storage,
        "server": share.server,
        "plan": share.plan or None,
        "type": share.what,
        "count": each.count,
        "size_bytes": each.size_bytes,
    }


def _storage(each: StorageUsage) -> dict[str, object]:
    return {
        "storage": each.storage,
        "size_bytes": each.size_bytes,
        "growth_bytes_per_day": None if each.growth is None else round(each.growth),
        "room_bytes": each.room_bytes,
        "days_until_full": None if each.days_until_full is None else round(each.days_until_full, 1),
    }
