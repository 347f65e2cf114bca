"""Which tables a selection means, with their partitions and the foreign keys around them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.formats import dump_metadata
from pgbackstop_runner.formats.dependents import Dependent
from pgbackstop_runner.formats.dump_metadata import DumpMetadata, ForeignKey


@dataclass(frozen=True, kw_only=True)
class TableSelection:
    """``tables``: those with rows of their own, as the backup quotes them, and their rows, if known.

    ``own_keys`` are foreign keys of the tables; ``other_keys`` those of other tables that point to them,
    which PostgreSQL drops with a table that is dropped by CASCADE, as it does ``dependents``.
    """

    tables: dict[str, int | None]
    own_keys: tuple[ForeignKey, ...]
    other_keys: tuple[ForeignKey, ...]
    dependents: tuple[Dependent, ...] = ()


def choose(
    backup: Backup, found: DumpMetadata, tables: tuple[str, ...], schemas: tuple[str, ...]
) -> TableSelection:
    """The tables that are meant. Raises NotFound for what the backup does not have, ValidationError."""
    wanted = _tables(backup, found, tables, schemas)
    mine = {each for name in wanted for each in _ancestry(found, name)}
    own = tuple(key for key in found.foreign_keys if spelled(key.table) in mine)
    others = tuple(
        key for key in found.foreign_keys if spelled(key.table) not in mine and spelled(key.points_to) in mine
    )
    taken = tuple(_dependents(found, mine))
    return TableSelection(tables=wanted, own_keys=own, other_keys=others, dependents=taken)


def _dependents(found: DumpMetadata, mine: set[str]) -> Iterator[Dependent]:
    """What depends on the tables or their sequences, and what on that: pg_dump writes it in this order.

    What the tables have themselves, as policies, comes with them; they are only no members of a publication.
    """
    taken = mine | {
        spelled(sequence) for sequence, table in found.owned_sequences.items() if spelled(table) in mine
    }
    for each in found.dependents.values():
        whose = spelled(found.text(each.table or each.name))
        if whose in mine and each.kind != "publication":
            continue
        if any(spelled(found.text(name)) in taken for name in each.needs):
            if not each.table:
                taken.add(whose)
            yield each


def quoted(schema: str, name: str) -> str:
    """One spelling for comparisons, whatever the keywords of a version are."""
    return ".".join('"' + each.replace('"', '""') + '"' for each in (schema, name))


def spelled(name: str) -> str:
    """The same for a name as the dump writes it."""
    return quoted(*dump_metadata.parts(name))


def _tables(
    backup: Backup, found: DumpMetadata, tables: tuple[str, ...], schemas: tuple[str, ...]
) -> dict[str, int | None]:
    known: dict[str, int | None] = {**dict.fromkeys(backup.uncounted), **(backup.row_counts or {})}
    if backup.row_counts is None and not known:
        raise errors.ValidationError(
            f"Backup {backup.id} has no list of its tables: its rows were not counted.",
            remedy="Restore it whole with --into, and copy the table from there.",
        )
    wanted = set[str]()
    for asked in tables:
        name = spelled(asked)
        family = {each for each in known if name in _ancestry(found, each)}
        if not family and name in {spelled(each) for each in backup.left_out}:
            raise errors.NotFound(
                f"Backup {backup.id} does not have the rows of {asked}: its plan leaves them out.",
                remedy="Another plan, a physical one, or an older backup may have them: 'pgbackstop list'.",
            )
        if not family:
            raise errors.NotFound(f"Backup {backup.id} has no table {asked}.", remedy=_some(known))
        wanted |= family
    for schema in schemas:
        inside = {each for each in known if dump_metadata.parts(each)[0] == schema}
        if not inside:
            raise errors.NotFound(f"Backup {backup.id} has no tables in schema {schema!r}.")
        wanted |= inside
    return {name: known[name] for name in sorted(wanted)}


def _ancestry(found: DumpMetadata, name: str) -> Iterator[str]:
    """A table and what it is a partition of, as the dump writes them and as PostgreSQL quotes them."""
    current: str | None = name
    while current is not None:
        yield spelled(current)
        current = found.partitions.get(current)


def _some(known: Iterable[str]) -> str:
    names = sorted(known)
    return f"It has: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."
