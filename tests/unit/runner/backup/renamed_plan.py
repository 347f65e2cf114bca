"""A plan that was renamed in the configuration, with all that it made under its old name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.workspace import Workspace, open_workspace
from tests.support import factories, keys, storages
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

OLD, NEW = "old-name", "new-name"


def opened(folder: Path, plan: str) -> Workspace:
    """The workspace in that folder, with the plan under that name."""
    key_folder = folder.parent / "keys"
    pair = keys.generated(key_folder) if not key_folder.exists() else None
    if pair is not None:
        (folder.parent / "encryption.json").write_text(json.dumps(pair.settings(), default=str))
    document = {
        "servers": {"main": {}, "other": {}},
        "storages": {
            "disk": {"kind": "folder", "path": str(folder / "store")},
            "second": {
                "kind": "folder",
                "path": str(folder / "second"),
                "encryption": json.loads((folder.parent / "encryption.json").read_text()),
            },
        },
        "catalog": str(folder / "catalog"),
        "plans": {
            plan: {
                "server": "main",
                "backup_type": "logical",
                "copies": ["second"],
                "keep": {"last": 2, "minimum": 1},
            },
            "main-physical": {
                "server": "main",
                "backup_type": "physical",
                "keep": {"last": 2, "minimum": 1},
            },
            "elsewhere": {"server": "other", "backup_type": "logical"},
        },
    }
    folder.mkdir(exist_ok=True)
    file = folder / "pgbackstop.yaml"
    file.write_text(json.dumps(document))
    return open_workspace(file, lambda error: pytest.fail(str(error)))


def filled(folder: Path, copied: int) -> Workspace:
    """Backups with encrypted copies, one of them with a proof, and a failed one, of a renamed plan."""
    before = storages.create(opened(folder, OLD))
    kept = places.days(before, copied, plan=OLD)
    copy_run.run(before, OLD, sleep=lambda _seconds: None)
    before.catalog.put(
        Proof.of(kept[0], "drill", started_at=NOW).evolve(status=Status.SUCCEEDED, finished_at=NOW)
    )
    before.catalog.put(
        factories.backup(4, NOW - 4 * DAY, plan=OLD).evolve(status=Status.FAILED, location=None)
    )
    return opened(folder, NEW)


def made(folder: Path) -> Workspace:
    """The same, with one more backup, that has no copy yet."""
    workspace = filled(folder, copied=2)
    places.stored(workspace, factories.backup(3, NOW - 3 * DAY, plan=OLD))
    return workspace


def whose(workspace: Workspace) -> dict[str, set[str]]:
    """The plans of all that is on record, by kind."""
    catalog = workspace.catalog
    return {
        "backups": {each.plan for each in catalog.backups()},
        "copies": {each.plan for each in catalog.copies()},
        "proofs": {each.plan for each in catalog.proofs()},
        "beside": {codec.read(Backup, path).plan for path in workspace.file.parent.rglob(layout.RECORD_NAME)},
    }
