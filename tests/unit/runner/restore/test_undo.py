"""What dead restores left is closed, and what has ended by itself is not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.recover import record as recover_record
from pgbackstop_runner.restore import undo
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.unit.runner import places

BACKUP = factories.backup(1, factories.NOW)
RUNNING = factories.restore_of(
    BACKUP, status=Status.RUNNING, finished_at=None, duration_seconds=None, step="start"
)
DONE = RUNNING.evolve(
    status=Status.SUCCEEDED, finished_at=factories.NOW, step="", replaced_database="shop__before"
)
RECOVERIES = {"what": "recover", "method": "into", "target": "/var/tmp/recovered"}  # noqa: S108 - never made
Reconcile = Callable[[Workspace], tuple[Restore, ...]]


class EndsMeanwhile(FolderCatalog):
    """The restore ends after its record was read: the moment that is too short to be met on purpose."""

    ended: Restore | None = None

    def restores(self, server: str | None = None) -> Iterator[Restore]:
        found = list(super().restores(server))
        if self.ended is not None:
            self.put(self.ended)
        yield from found


@pytest.mark.parametrize(
    ("reconcile", "changes"), [(undo.reconcile, {}), (recover_record.reconcile, RECOVERIES)]
)
def test_one_that_ends_meanwhile_stays_as_it_says(
    reconcile: Reconcile, changes: dict[str, str], tmp_path: Path
) -> None:
    opened = places.workspace(tmp_path)
    catalog = EndsMeanwhile(opened.state.root)
    catalog.put(RUNNING.evolve(**changes))
    catalog.ended = DONE.evolve(**changes)
    assert reconcile(replace(opened, catalog=catalog)) == ()
    assert list(opened.catalog.restores()) == [catalog.ended]


@pytest.mark.parametrize(
    ("reconcile", "changes"), [(undo.reconcile, {}), (recover_record.reconcile, RECOVERIES)]
)
def test_one_that_nobody_makes_any_more_is_closed(
    reconcile: Reconcile, changes: dict[str, str], tmp_path: Path
) -> None:
    opened = places.workspace(tmp_path)
    opened.catalog.put(RUNNING.evolve(**changes))
    (closed,) = reconcile(opened)
    (record,) = opened.catalog.restores()
    assert (record.status, record.message) == (Status.INTERRUPTED, closed.message)
