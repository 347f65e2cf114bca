"""An attempt is on record from its first moment to its last, whenever a signal comes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.backup import attempt
from pgbackstop_runner.backup.attempt import BackupRequest
from tests.unit.runner import places


class SignalledWhileItWaitsForTheDisk(FolderCatalog):
    """The record has its name already when the signal comes."""

    def put(self, record: Any) -> None:
        super().put(record)
        if record.status is Status.RUNNING:
            raise errors.Interrupted("Ended by SIGTERM.")


def test_a_signal_while_the_running_record_is_written_leaves_none_that_runs(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    catalog = SignalledWhileItWaitsForTheDisk(opened.config.catalog_folder())
    with pytest.raises(errors.Interrupted, match="SIGTERM"):
        attempt.begin(replace(opened, catalog=catalog), "main-logical", "shop", BackupRequest())
    (record,) = opened.catalog.backups("main-logical")
    assert (record.status, record.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED)
    assert record.message == "Ended by SIGTERM."
