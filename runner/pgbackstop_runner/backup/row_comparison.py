"""What a dump says about the one before it: tables whose rows vanished, on record before it is committed."""

from __future__ import annotations

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import vanished
from pgbackstop_catalog.records.vanished import VanishedTable
from pgbackstop_runner.backup.attempt import Attempt
from pgbackstop_runner.system import phrases


def compare(attempt: Attempt) -> None:
    """Note and warn of rows that vanished; what keeps them from being compared costs no backup.

    It comes before the commit, so that no expire can take the last backup that has them.
    """
    try:
        found = _find(attempt)
    except errors.CatalogError as error:
        attempt.warn(f"The rows were not compared with those of the backup before: {error}")
        return
    if found:
        attempt.note(vanished=found)
        words = phrases.some([str(each) for each in found], between="; ")
        attempt.warn(f"Rows vanished since the backup before: {words}")


def _find(attempt: Attempt) -> tuple[VanishedTable, ...]:
    catalog, record = attempt.workspace.catalog, attempt.record
    return vanished.find(
        record,
        catalog.backups(attempt.plan_name),
        attempt.plan.data_loss,
        restores=catalog.restores(record.server),
    )
