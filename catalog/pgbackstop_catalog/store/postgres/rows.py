"""Records as rows: where a record belongs, and its document as PostgreSQL takes it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.store.protocol import AnyRecord

# A backslash that is not itself escaped, then u0000: jsonb refuses NUL, and no name of PostgreSQL's has one.
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_SYMBOL_FOR_NUL: Final = rb"\1\\u2400"


AFTER_ALL: Final = "~"  # sorts after every name


class Key(NamedTuple):
    """What a row is known by: the record's kind, the folder that it would lie in, and its name there."""

    kind: str
    scope: str
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} {'/'.join(filter(None, (self.scope, self.name)))} in the catalog"


def key(record: AnyRecord) -> Key:
    """The key of a record's row."""
    if isinstance(record, Backup | Proof):
        return Key(record.kind, record.plan, record.id)
    if isinstance(record, Copy):
        return Key(record.kind, record.plan, f"{record.backup}@{record.storage}")
    if isinstance(record, Restore):
        return Key(record.kind, record.server, record.id)
    if isinstance(record, StorageMark):
        return Key(record.kind, "", record.name)
    return Key(record.kind, record.plan, "")


def document(record: Model) -> str:
    """The record in JSON; a NUL in it becomes U+2400, the symbol for it."""
    return _NUL.sub(_SYMBOL_FOR_NUL, codec.encode(record)).decode()
