"""Extensions that a restore leaves out, as somebody asked, with what their own schemas hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.formats import dump_metadata, sql_script
from pgbackstop_runner.formats.dependents import Dependent
from pgbackstop_runner.formats.dump_metadata import DumpMetadata

# The schema that an extension makes for itself: a dump has rows and rights in it, and not how it is made.
_SCHEMAS = {"pg_cron": "cron"}
_KINDS = r"(?:TABLE DATA|SEQUENCE SET|ACL|DEFAULT ACL|COMMENT|SECURITY LABEL|POLICY|ROW SECURITY|TRIGGER)"
_NAMED = re.compile(
    rb"(?:CREATE EXTENSION IF NOT EXISTS|COMMENT ON EXTENSION) (" + sql_script.IDENTIFIER + rb")"
)
_SUBJECT = re.compile(
    rb"(?:COPY |SELECT pg_catalog\.setval\('|(?:GRANT|REVOKE) [^;]*? ON (?:\w+ )?|ALTER TABLE (?:ONLY )?"
    rb"|ALTER DEFAULT PRIVILEGES [^;]*? IN SCHEMA |COMMENT ON \w+ |CREATE POLICY [^;]*? ON )("
    + sql_script.IDENTIFIER
    + rb")[.\s]"
)


@dataclass(frozen=True, kw_only=True)
class Without:
    """What is left out; names are without quotes."""

    extensions: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()

    @classmethod
    def of(cls, extensions: Iterable[str]) -> Without:
        """Those extensions, with the schemas that they make."""
        names = frozenset(extensions)
        return cls(extensions=names, schemas=frozenset(_SCHEMAS[name] for name in names & _SCHEMAS.keys()))

    def __bool__(self) -> bool:
        return bool(self.extensions)

    def __str__(self) -> str:
        also = f", and all that the schema {', '.join(sorted(self.schemas))} holds" if self.schemas else ""
        return f"{', '.join(sorted(self.extensions))}{also}"

    def has_entry(self, line: str) -> bool:
        """Whether a line of pg_restore --list is of them."""
        words = line.split(maxsplit=3)[-1]
        return any(
            words.startswith((f"EXTENSION - {name} ", f"COMMENT - EXTENSION {name} "))
            for name in self.extensions
        ) or any(re.match(rf"{_KINDS} (?:- SCHEMA )?{re.escape(schema)} ", words) for schema in self.schemas)

    def has_statement(self, code: bytes) -> bool:
        """Whether a statement of a plain dump is of them; COPY stands for its rows."""
        if found := _NAMED.match(code):
            return sql_script.unquoted(found[1]) in self.extensions
        found = _SUBJECT.match(code)
        return found is not None and sql_script.unquoted(found[1]) in self.schemas

    def has_relation(self, quoted: str) -> bool:
        """Whether ``"schema"."name"`` is in a schema of theirs."""
        return bool(self.schemas) and dump_metadata.parts(quoted)[0] in self.schemas

    def needed_by(self, found: DumpMetadata) -> Iterator[Dependent]:
        """What the dump has of others that cannot be without them."""
        for each in found.dependents.values():
            if any(self.has_relation(found.text(name)) for name in each.needs):
                yield each

    def apply(self, backup: Backup) -> Backup:
        """The backup's record as if it had been made without them."""
        facts, counts = backup.database_facts, backup.row_counts
        if facts is not None:
            kept = tuple(each for each in facts.extensions if each.name not in self.extensions)
            facts = facts.evolve(extensions=kept)
        if counts is not None:
            counts = {name: count for name, count in counts.items() if not self.has_relation(name)}
        return backup.evolve(database_facts=facts, row_counts=counts)


NOTHING = Without()
