"""Closing what was begun by hand and killed: only where nobody holds its lock, and never the daemon's own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.daemon import abandoned
from pgbackstop_runner.drill import run as drill_run
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.unit.runner import places

PLAN = "main-logical"


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


def running(opened: Workspace, **changes: Any) -> Backup:
    record = factories.backup(1, datetime.now(UTC), status=Status.RUNNING, finished_at=None, **changes)
    opened.catalog.put(record)
    return record


def status(opened: Workspace, record: Backup) -> Status:
    return opened.catalog.backup(record.id).status


def test_a_record_whose_process_is_gone_is_closed(opened: Workspace) -> None:
    record = running(opened)
    abandoned.close(opened)
    assert status(opened, record) is Status.INTERRUPTED


def test_one_that_is_being_made_is_left_alone(opened: Workspace) -> None:
    record = running(opened)
    with opened.state.held(reconcile.lock_name(PLAN), "A backup"):
        abandoned.close(opened)
    assert status(opened, record) is Status.RUNNING


def test_the_daemon_s_own_is_left_to_it(opened: Workspace) -> None:
    record = running(opened)
    abandoned.close(opened, frozenset({PLAN}))
    assert status(opened, record) is Status.RUNNING


@pytest.mark.parametrize("is_held", [True, False])
def test_a_drill_by_hand(opened: Workspace, is_held: bool) -> None:
    backup = places.stored(opened, factories.backup(1, datetime.now(UTC)))
    drill = Proof.of(backup, "drill", started_at=datetime.now(UTC))
    opened.catalog.put(drill)
    if is_held:
        with opened.state.held(drill_run.lock_name(PLAN), "A drill"):
            abandoned.close(opened)
    else:
        abandoned.close(opened)
    (now,) = opened.catalog.proofs(PLAN)
    assert now.status is (Status.RUNNING if is_held else Status.INTERRUPTED)
