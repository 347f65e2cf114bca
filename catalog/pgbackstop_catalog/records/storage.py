"""The mark of a storage: what it is known by, wherever it is mounted."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.model import Model, UtcTime, utc_now
from pgbackstop_catalog.records.attempt import RECORD_VERSION, Name


class FormerStorage(Model):
    """A storage that another one took the place of: what was stored until then is away with it."""

    id: str = Field(pattern=r"^([0-9a-f]{32})?$", description="empty for one from before there were marks")
    until: UtcTime


class StorageMark(Model):
    """Stands at the root of a storage (or of a catalog), and for a storage in the catalog, too."""

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["storage", "catalog"] = "storage"
    id: str = Field(pattern=r"^[0-9a-f]{32}$", description="what tells it from every other one")
    name: Name
    created_at: UtcTime
    encryption: Literal["age"] | None = Field(
        default=None, description="what all but records is encrypted with"
    )
    former: tuple[FormerStorage, ...] = Field(default=(), description="in the catalog only; the oldest first")

    @classmethod
    def new(
        cls, name: str, kind: Literal["storage", "catalog"] = "storage", *, encrypted: bool = False
    ) -> StorageMark:
        """A mark that no storage has yet."""
        encryption: Literal["age"] | None = "age" if encrypted else None
        return cls(
            kind=kind, id=secrets.token_hex(16), name=name, created_at=utc_now(), encryption=encryption
        )

    def replaced_at(self, moment: datetime) -> FormerStorage | None:
        """The one that had the name at that moment; None where it was this one."""
        had = next((each for each in self.former if moment < each.until), None)
        return had if had is not None and had.id != self.id else None
