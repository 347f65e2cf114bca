"""``pgbackstop show``: everything about one attempt that a person needs on the worst day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.decisions import clocks
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, times

if TYPE_CHECKING:
    from pgbackstop_catalog.records.backup import Backup
    from pgbackstop_catalog.records.copy import Copy
    from pgbackstop_catalog.records.proof import Proof

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_MOST_TABLES = 20
_MOST_FILES = 30
_FILES = (
    terminal.Column(title="FILE"),
    terminal.Column(title="SIZE", right=True),
    terminal.Column(title="SHA-256"),
)


@app.command(epilog=options.examples("show 20261122T020000Z-5f3a9c04", "show 20261122T02 --json"))
def show(
    backup: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The backup's id, or the beginning of it.", autocompletion=completion.backups
        ),
    ],
    *,
    json: options.Json = False,
) -> None:
    """Show one backup: what became of it, where it is, and the commands that restore it by hand."""
    from pgbackstop_catalog.config import locate, locate_catalog  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_catalog.store import opened  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    file = locate.find(options.Given.config)
    catalog = opened.catalog(locate_catalog.named_by(file), options.report)
    record = catalog.backup(backup)
    if json:
        terminal.value(record)
        return
    copies = [each for each in catalog.copies(record.plan) if each.backup == record.id]
    proofs = [each for each in catalog.proofs(record.plan) if each.backup == record.id]
    plans = locate_catalog.plans(file)
    is_removed = plans is not None and record.plan not in plans
    kept_in = ", ".join(each.storage for each in copies if each.is_available)
    _section(
        "",
        [
            *_outcome(record, kept_in, is_removed=is_removed),
            *_place(record),
            *_server(record),
            *_database(record),
        ],
    )
    _section("Steps", [(step.name, f"{_took(step.duration_seconds)} {step.detail}") for step in record.steps])
    _section("Copies", map(_copy, copies))
    _section("Proofs", map(_proof, proofs))
    _section("Vanished since the backup before", _vanished(record))
    _section("Rows", _rows(record))
    _files(record)
    _by_hand(record)


def _section(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Facts as aligned lines under a title; what is empty is left out."""
    pairs = [(name, text) for name, text in facts if text.strip()]
    if not pairs:
        return
    if title:
        terminal.say(f"\n{title}")
    width = max(len(name) for name, _ in pairs)
    for name, text in pairs:
        terminal.say(f"  {terminal.plain(name):<{width}}  {terminal.plain(text)}".rstrip())


def _outcome(record: Backup, kept_in: str, *, is_removed: bool) -> Iterator[tuple[str, str]]:
    status = record.status.value
    if record.expired_at is not None:
        status = f"expired {times.sentence(record.expired_at)}{f', kept in {kept_in}' if kept_in else ''}"
    yield "Backup", record.id
    yield "Status", f"{status}: {record.reason.value}" if record.reason else status
    yield "Message", record.message
    removed = ", which is not in the configuration" if is_removed else ""
    yield "Plan", f"{record.plan} ({record.trigger}){removed}"
    yield "Type", " ".join((record.backup_type, record.method if record.backup_type == "physical" else ""))
    yield "Parent", record.parent or ""
    yield "Instead of", record.fallback
    yield "Due", times.sentence(record.scheduled_for)
    yield "Started", times.sentence(record.started_at)
    yield "Finished", times.sentence(record.finished_at)
    yield "Took", _took(record.duration_seconds)
    yield "Left out", ", ".join(record.excluded_tables)
    yield "Without rows of", ", ".join(record.schema_only_tables)
    yield "Verified", f"{times.sentence(record.verified_at)} {record.verification}"
    yield "Kept", str(record.pinned or "")
    for warning in record.warnings:
        yield "Warning", warning


def _place(record: Backup) -> Iterator[tuple[str, str]]:
    if record.storage and record.location:
        yield "Storage", record.storage
        yield "Folder", _folder(record)
    yield "Format", ", ".join(part for part in (record.format, record.compression) if part)
    yield "Size", units.format_size(record.size_bytes) if record.size_bytes is not None else ""
    if record.file_list:
        where = "" if record.expired_at else ", listed in SHA256SUMS in the folder"
        yield "Files", f"{record.file_list.count:,}{where}"
    yield "Source", units.format_size(record.source_size_bytes) if record.source_size_bytes else ""
    yield "Made on", record.host
    yield "Made by", ", ".join(f"{name} {version}" for name, version in record.tools.items())


def _folder(record: Backup) -> str:
    """The whole path where the configuration tells it, else as the record has it."""
    from pgbackstop_runner.storage import stored_backup  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    try:
        return str(stored_backup.place(options.open_workspace().config, record).folder)
    except errors.PgbackstopError:
        return str(record.location)


def _server(record: Backup) -> Iterator[tuple[str, str]]:
    facts = record.server_facts
    yield "Server", f"{record.server}, PostgreSQL {facts.version}" if facts else record.server
    if facts:
        yield "System identifier", facts.system_identifier
        spaces = (f"{each.name} in {each.location}" for each in facts.tablespaces)
        yield "Tablespaces", ", ".join(spaces)
        yield "Clock", clocks.sentence(facts.clock_offset_seconds or 0.0)
        yield "Preloaded libraries", ", ".join(facts.preload_libraries)
        yield "C library", facts.libc
    yield "Timeline", str(record.timeline or "")
    if record.start_lsn:
        yield "WAL", f"{record.start_lsn} to {record.stop_lsn or '?'}"


def _database(record: Backup) -> Iterator[tuple[str, str]]:
    yield "Database", record.database
    facts = record.database_facts
    if facts:
        yield "Owner", facts.owner
        yield "Encoding", f"{facts.encoding}, collate {facts.collate}, ctype {facts.ctype}"
        yield "Locale provider", " ".join((facts.locale_provider, facts.locale, facts.collation_version))
        yield "Extensions", ", ".join(f"{each.name} {each.version}" for each in facts.extensions)


def _copy(copy: Copy) -> tuple[str, str]:
    done = f"{copy.status.value} {times.sentence(copy.finished_at)}"
    if copy.expired_at:
        done = f"expired {times.sentence(copy.expired_at)}"
    elif copy.is_damaged:
        done = f"damaged {times.sentence(copy.damaged_at)}"
    elif copy.verified_at:
        done = f"{done}, read back {times.sentence(copy.verified_at)}"
    return copy.storage, f"{done} {copy.message}"


def _proof(proof: Proof) -> tuple[str, str]:
    took = _took(proof.duration_seconds)
    where = f" of the copy in {proof.copy_in}" if proof.copy_in else ""
    if proof.drill:
        from pgbackstop_runner.cli import drill_table  # noqa: PLC0415

        return f"{proof.drill} drill{where}", drill_table.line(proof)
    return (
        f"{proof.proof}{where}",
        f"{proof.status.value} {times.sentence(proof.finished_at)} {took} {proof.message}",
    )


def _vanished(record: Backup) -> Iterator[tuple[str, str]]:
    for each in record.vanished:
        still = f"; still in {each.last_backup}" if each.last_backup else "; in no backup that was kept"
        yield each.table, units.format_loss(each.rows_before, each.rows) + still
    if record.acknowledged:
        taken = record.acknowledged
        where = f"{times.sentence(taken.at)} by {taken.operator} on {taken.host}"
        yield "acknowledged", f"{where}: {taken.note}" if taken.note else where
    elif record.vanished:
        yield "to do", f"look, put back what is missing, then 'pgbackstop ack {record.id}'"


def _rows(record: Backup) -> Iterator[tuple[str, str]]:
    counts = record.row_counts or {}
    largest = sorted(counts.items(), key=lambda each: -each[1])
    for table, rows in largest[:_MOST_TABLES]:
        yield table, f"{rows:>12,}"
    if len(largest) > _MOST_TABLES:
        rest = largest[_MOST_TABLES:]
        yield f"{len(rest)} smaller tables", f"{sum(rows for _, rows in rest):>12,}"


def _files(record: Backup) -> None:
    if record.files:
        terminal.say()
        largest = sorted(record.files, key=lambda each: -each.size_bytes)
        shown = set(largest[:_MOST_FILES])
        rows = [
            (each.path, units.format_size(each.size_bytes), each.sha256)
            for each in record.files
            if each in shown
        ]
        terminal.table(_FILES, rows)
        if rest := largest[_MOST_FILES:]:
            size = units.format_size(sum(each.size_bytes for each in rest))
            terminal.say(f"{len(rest):,} smaller files, {size}: SHA256SUMS beside them has all, and --json")


def _by_hand(record: Backup) -> None:
    if record.restore_by_hand and record.is_available:
        terminal.say("\nTo restore it by hand")
        terminal.say(f"  cd {quote(_folder(record))}")
        for command in record.restore_by_hand:
            terminal.say(f"  {terminal.plain(command)}")


def _took(seconds: float | None) -> str:
    return units.format_duration(seconds) if seconds is not None else ""
