"""Patterns of tables as psql and pg_dump read them: ``public.log_*``, ``*.session``, ``"Audit".*``.

https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WILDCARDS = {"*": ".*", "?": ".", "$": r"\$"}


@dataclass(frozen=True, kw_only=True)
class TablePattern:
    """What the name of a schema and that of a table in it must match, each as a whole."""

    schema: re.Pattern[str]
    table: re.Pattern[str]

    def matches(self, schema: str, table: str) -> bool:
        """Return whether it means that table."""
        return self.schema.fullmatch(schema) is not None and self.table.fullmatch(table) is not None


def parse(text: str) -> TablePattern:
    """The pattern. Raises ValueError for one without a schema, or that nobody can read.

    Without a schema pg_dump would go by a search_path, of which backups have none.
    """
    parts = _parts(text)
    if len(parts) != 2 or not all(parts):
        msg = f"{text!r} must name a schema and a table, as in public.log_* or *.session"
        raise ValueError(msg)
    try:
        schema, table = (re.compile(part, re.DOTALL) for part in parts)
    except re.error as error:
        msg = f"{text!r} is no pattern: {error}"
        raise ValueError(msg) from None
    return TablePattern(schema=schema, table=table)


def _parts(text: str) -> list[str]:
    """Regular expressions of what the dots separate; what stands in quotes means itself."""
    parts, quoted, letters = [""], False, iter(enumerate(text))
    for place, letter in letters:
        if letter == '"' and quoted and text[place + 1 : place + 2] == '"':
            parts[-1] += '"'
            next(letters)
        elif letter == '"':
            quoted = not quoted
        elif quoted:
            parts[-1] += re.escape(letter)
        elif letter == ".":
            parts.append("")
        else:
            parts[-1] += _WILDCARDS.get(letter, letter.lower())
    if quoted:
        msg = f"{text!r} has a quote that does not end"
        raise ValueError(msg)
    return parts
