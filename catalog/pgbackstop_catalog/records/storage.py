"""The mark of a storage: what it is known by, wherever it is mounted."""

from __future__ import annotations

import secrets
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.model import Model, UtcTime, utc_now
from pgbackstop_catalog.records.backup import RECORD_VERSION, Name


class StorageMark(Model):
    """Stands at the root of a storage (or of a catalog), and for a storage in the catalog, too."""

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["storage", "catalog"] = "storage"
    id: str = Field(pattern=r"^[0-9a-f]{32}$", description="what tells it from every other one")
    name: Name
    created_at: UtcTime

    @classmethod
    def new(cls, name: str, kind: Literal["storage", "catalog"] = "storage") -> StorageMark:
        """A mark that no storage has yet."""
        return cls(kind=kind, id=secrets.token_hex(16), name=name, created_at=utc_now())
