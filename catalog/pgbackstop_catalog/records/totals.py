"""Counts of records that were removed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pgbackstop_catalog.model import Count, Model
from pgbackstop_catalog.records.attempt import RECORD_VERSION, Name
from pgbackstop_catalog.records.ids import BackupId


class Totals(Model):
    """Counts of the removed records of one plan and database, so that counters never fall.

    ``folding`` names records that are being removed: they are counted here and no longer as records,
    whether or not their files are gone yet.
    """

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["tally"] = "tally"
    plan: Name
    runs: dict[str, Count] = Field(default_factory=dict, description="by database")
    failures: dict[str, dict[str, Count]] = Field(
        default_factory=dict, description="by database, then reason"
    )
    missed: dict[str, Count] = Field(default_factory=dict, description="by database")
    copy_failures: dict[str, dict[str, Count]] = Field(
        default_factory=dict, description="failed tries to copy, by database, then storage"
    )
    folding: tuple[BackupId, ...] = ()
