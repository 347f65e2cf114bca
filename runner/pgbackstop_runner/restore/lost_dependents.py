"""Views and the like that CASCADE took with a table: they do not come back with it, and are named."""

from __future__ import annotations

import psycopg

from pgbackstop_runner.formats import dump_metadata
from pgbackstop_runner.formats.dependents import Dependent
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from pgbackstop_runner.formats.table_selection import TableSelection
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore.plan import RestorePlan

_RELATION = "select to_regclass(%(whole)s) is not null"
# By its name alone: one of another signature is no reason to make it again unasked.
_ROUTINE = """
    select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = %(schema)s and p.proname = %(name)s)"""
_QUERIES = {
    "view": _RELATION,
    "materialized view": _RELATION,
    "function": _ROUTINE,
    "procedure": _ROUTINE,
    "policy": """
        select exists (select from pg_policy
          where polname = %(name)s and polrelid = to_regclass(%(table)s))""",
    "publication": """
        select exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
          where p.pubname = %(name)s and r.prrelid = to_regclass(%(table)s))""",
}


def tell(current: Journal, outline: RestorePlan, live: psycopg.Connection, found: TableSelection) -> None:
    """A warning for each that is not there now, with its statement. Raises psycopg.Error."""
    for each in found.dependents:
        if not _is_there(live, outline.blueprint, each):
            text = outline.blueprint.text
            name = text(each.name) + (f" of {text(each.table)}" if each.table else "")
            current.warn(
                f"The {each.kind} {name} is gone, as CASCADE takes it. To have it back, run: "
                f"{outline.statement(each.code)}"
            )


def _is_there(live: psycopg.Connection, dump: DumpMetadata, each: Dependent) -> bool:
    whole = dump.text(each.name)
    schema, name = ("", dump.name(each.name)) if each.table else dump_metadata.parts(whole)
    names = {"whole": whole, "schema": schema, "name": name, "table": dump.text(each.table)}
    row = live.execute(_QUERIES[each.kind].encode(), names).fetchone()
    return row is not None and bool(row[0])
