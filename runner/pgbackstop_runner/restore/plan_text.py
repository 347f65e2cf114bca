"""The plan of a restore for people and for programs, in sentences that can be said in another language."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pgbackstop_catalog import text, units
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import joined, said, word
from pgbackstop_runner.restore import application_hooks
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.restore.target_database import Database
from pgbackstop_runner.restore.without import Without
from pgbackstop_runner.system import phrases

# As many as a person reads before a restore.
_SHOWN_TABLES = 20


def lines(plan: RestorePlan, now: datetime) -> Iterator[tuple[str, str]]:
    """The plan, as pairs of what and how."""
    backup = plan.backup
    yield "backup", said("{id} of plan {plan}: {why}", id=backup.id, plan=backup.plan, why=plan.choice.why)
    yield "made", _age(backup, now)
    yield "holds", _size(backup)
    yield from _left_out(backup, plan.request.without)
    place = plan.source.place(backup.storage)
    yield "bytes", said("from {place}: {reason}", place=place, reason=plan.source.reason)
    for why in plan.source.passed_over:
        yield "not from", why
    yield "checked", plan.checked
    yield "into", said("{where}, on server {server}", where=_destination(plan), server=plan.server_name)
    took = units.format_duration(plan.estimate.seconds)
    yield "should take", said("about {took} ({reason})", took=took, reason=plan.estimate.reason)
    if plan.needed_bytes is not None:
        needed = units.format_size(plan.needed_bytes)
        yield "room", said("about {needed} are needed, {free}", needed=needed, free=_free(plan))
    if plan.replaces and plan.replaced is not None:
        yield "replaces", _replacing(plan, plan.replaced)
    yield from _selected(plan)
    for name, hook in plan.hooks():
        yield name, application_hooks.describe(hook)
    yield from _rights(plan)
    if not plan.same_server:
        yield "ATTENTION", said("this is another server than the one that was backed up")


def document(plan: RestorePlan, now: datetime) -> dict[str, Any]:
    """The plan for programs: a list where a kind has several lines.

    ``confirm``: the phrase, or ""; ``trust``: the owners whom somebody must trust, as a list; ``patterns``:
    what the sentences of each kind were made of, as a list, for who says them in another language.
    """
    found: dict[str, list[str]] = {}
    for what, how in lines(plan, now):
        found.setdefault(what, []).append(how)
    return {
        "confirm": plan.phrase,
        "trust": sorted(plan.trusted_with_superuser),
        "patterns": {what: [text.taken_apart(each) for each in how] for what, how in found.items()},
        **{what: how[0] if len(how) == 1 else how for what, how in found.items()},
    }


def _rights(plan: RestorePlan) -> Iterator[tuple[str, str]]:
    """What is made on the server beside the database, and who could act in it."""
    for name in sorted(plan.missing_roles):
        yield "role", said("{name} is created from the backup's globals", name=name)
    for name in sorted(plan.missing_tablespaces):
        yield (
            "tablespace",
            said("{name} is not on this server: its tables go to the default one", name=name),
        )
    if plan.trusted_with_superuser:
        yield (
            "trusts",
            said(
                "what {owners} wrote (functions, constraints, expressions) may run as superuser {role} while "
                "it is filled; a restore_role that is none keeps them from that",
                owners=phrases.some(sorted(plan.trusted_with_superuser)),
                role=plan.acts_as,
            ),
        )
    if plan.owner_besides:
        yield (
            "open to",
            said(
                "{owner}, who owns the database and could let himself in while it is filled",
                owner=plan.owner_besides,
            ),
        )


def _destination(plan: RestorePlan) -> str:
    database = plan.database
    if plan.method == "into":
        return said("the new database {database}", database=database)
    if plan.method == "selection":
        return said("the database {database}", database=database)
    beside = said("{database}, filled beside the live one and swapped in by a rename", database=database)
    if plan.under_its_name:
        beside = said(
            "{database}, filled under its name, as {bound} needs it; the live one is put aside meanwhile, "
            "and gets its name back if anything fails",
            database=database,
            bound=", ".join(plan.bound_extensions),
        )
    if plan.method == "swap":
        return beside
    return said("{beside}; then the old one is DROPPED, and there is no undo", beside=beside)


def _free(plan: RestorePlan) -> str:
    if plan.free_bytes is None:
        return said("and the server's disk cannot be seen from here")
    return said("{free} are free on the server's disk", free=units.format_size(plan.free_bytes))


def _replacing(plan: RestorePlan, old: Database) -> str:
    fate = (
        said("dropped at the end")
        if plan.method == "in-place"
        else said("kept under another name until you drop it")
    )
    return said(
        "{name} ({size}, {connections} ended): it is {fate}",
        name=old.name,
        size=units.format_size(old.size_bytes),
        connections=units.format_count(old.connections, "connection"),
        fate=fate,
    )


def _selected(plan: RestorePlan) -> Iterator[tuple[str, str]]:
    if plan.family is None:
        return
    tables = list(plan.family.tables.items())
    for name, rows in tables[:_SHOWN_TABLES]:
        counted = word("not counted") if rows is None else units.format_count(rows, "row")
        yield "table", joined(", ", (name, counted))
    if len(tables) > _SHOWN_TABLES:
        yield "table", said("and {n} more", n=len(tables) - _SHOWN_TABLES)
    for key in plan.family.other_keys if plan.keys_return else ():
        yield (
            "foreign key",
            said("{key} of {table} points to it: made again where it is gone", key=key.name, table=key.table),
        )
    for each in plan.family.dependents if plan.keys_return else ():
        statement = plan.statement(each.code)
        yield (
            each.kind,
            said("depends on it; where it is gone, make it again: {statement}", statement=statement),
        )


def _left_out(backup: Backup, without: Without) -> Iterator[tuple[str, str]]:
    """What is not in the backup, or shall not be restored: whoever replaces a database by it loses that."""
    if without:
        yield "without", said("the extension {name}", name=str(without))
    if backup.excluded_tables:
        yield "left out", said("by its plan, {tables}", tables=_some(backup.excluded_tables))
    if backup.schema_only_tables:
        yield "left out", said("by its plan, the rows of {tables}", tables=_some(backup.schema_only_tables))


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_SHOWN_TABLES])
    more = len(names) - _SHOWN_TABLES
    return said("{names} and {n} more", names=shown, n=more) if more > 0 else shown


def _age(backup: Backup, now: datetime) -> str:
    age = units.format_duration(max(0.0, (now - backup.started_at).total_seconds()))
    return said("{moment} UTC, {age} ago", moment=f"{backup.started_at:%Y-%m-%d %H:%M:%S}", age=age)


def _size(backup: Backup) -> str:
    size = said("{size} ({format})", size=units.format_size(backup.size_bytes or 0), format=backup.format)
    return joined(", ", (size, units.format_rows(backup.row_counts.values()))) if backup.row_counts else size
