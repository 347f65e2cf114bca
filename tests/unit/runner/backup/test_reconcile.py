"""Whose records are closed after a crash, in a catalog that hosts share: those of whom our locks know."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_catalog.config import load
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.system import origin
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, storages


@pytest.fixture
def shared(tmp_path: Path) -> Workspace:
    """Configured with a catalog in PostgreSQL; a folder stands in, for the rule is one of hosts."""
    file = tmp_path / "pgbackstop.yaml"
    document = {
        "servers": {"main": {}},
        "storages": {"disk": {"kind": "folder", "path": "store"}},
        "catalog": {"postgres": {}},
        "workers": {"enabled": True},
    }
    file.write_text(yaml.safe_dump(document))
    config = load.load(file)
    return storages.create(Workspace(file=file, config=config, catalog=FolderCatalog(config.state_root())))


def _put(workspace: Workspace, number: int, host: str, **changes: Any) -> Backup:
    record = factories.backup(number, host=host, **{"status": Status.RUNNING, "finished_at": None, **changes})
    workspace.catalog.put(record)
    return record


def test_a_run_of_this_host_is_closed_and_one_of_another_host_is_not(shared: Workspace) -> None:
    ours, theirs = _put(shared, 1, origin.here()["host"]), _put(shared, 2, "elsewhere")
    closed = reconcile.one_plan(shared, "main-logical")
    assert [each.id for each in closed] == [ours.id]
    assert shared.catalog.backup(ours.id).status is Status.INTERRUPTED
    assert shared.catalog.backup(theirs.id) == theirs


def test_what_another_host_took_from_this_one_is_swept(shared: Workspace) -> None:
    taken = _put(
        shared,
        1,
        origin.here()["host"],
        status=Status.INTERRUPTED,
        reason=Reason.INTERRUPTED,
        finished_at=factories.NOW,
        message="The worker a gave no sign for 60 s.",
    )
    left = shared.config.folder("disk").path / f"{taken.location}{layout.PARTIAL_SUFFIX}"
    left.mkdir(parents=True)
    reconcile.one_plan(shared, "main-logical")
    assert not left.exists()
    assert shared.catalog.backup(taken.id) == taken.evolve(location=None)
    assert reconcile.one_plan(shared, "main-logical") == ()
