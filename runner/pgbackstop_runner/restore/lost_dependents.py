"""What CASCADE took with a table and does not come back with it, as views: it is named."""

from __future__ import annotations

import psycopg

from pgbackstop_runner.formats import dump_metadata
from pgbackstop_runner.formats.dependents import Dependent
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from pgbackstop_runner.formats.table_selection import TableSelection
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore.plan import RestorePlan

_RELATION = "select to_regclass(%(whole)s) is not null"
_ROUTINE = """
    select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = %(schema)s and p.proname = %(name)s
        and starts_with(%(signature)s, '(' || pg_get_function_arguments(p.oid) || ')'))"""
# Whether one is there, by its kind.
QUERIES = {
    "view": _RELATION,
    "materialized view": _RELATION,
    "table": _RELATION,
    "function": _ROUTINE,
    "procedure": _ROUTINE,
    "aggregate": _ROUTINE,
    "policy": """
        select exists (select from pg_policy
          where polname = %(name)s and polrelid = to_regclass(%(table)s))""",
    "rule": """
        select exists (select from pg_rewrite
          where rulename = %(name)s and ev_class = to_regclass(%(table)s))""",
    "column": """
        select exists (select from pg_attribute
          where attname = %(name)s and attrelid = to_regclass(%(table)s) and not attisdropped)""",
    "default": """
        select exists (select from pg_attribute
          where attname = %(name)s and attrelid = to_regclass(%(table)s) and atthasdef)""",
    "publication": """
        select exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
          where p.pubname = %(name)s and r.prrelid = to_regclass(%(table)s))""",
}
# What no statement brings back.
_ROWS = {
    "table": ", rows and all, which 'restore --table' brings back",
    "column": ", and so are its values, which are in the backup",
}


def tell(current: Journal, outline: RestorePlan, live: psycopg.Connection, found: TableSelection) -> None:
    """A warning for each that is not there now, with its statement. Raises psycopg.Error."""
    for each in found.dependents:
        if not _is_there(live, outline.blueprint, each):
            text = outline.blueprint.text
            name = text(each.name) + (f" of {text(each.table)}" if each.table else "")
            current.warn(
                f"The {each.kind} {name} is gone, as CASCADE takes it{_ROWS.get(each.kind, '')}. "
                f"To have it back, run: {outline.statement(each.code)}"
            )


def _is_there(live: psycopg.Connection, dump: DumpMetadata, each: Dependent) -> bool:
    whole = dump.text(each.name)
    schema, name = ("", dump.name(each.name)) if each.table else dump_metadata.parts(whole)
    names = {"whole": whole, "schema": schema, "name": name, "table": dump.text(each.table)}
    names["signature"] = dump.text(each.signature)
    row = live.execute(QUERIES[each.kind].encode(), names).fetchone()
    return row is not None and bool(row[0])
