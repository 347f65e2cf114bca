"""What cron or a timer is to start, and what it never started."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.daemon import outside
from pgbackstop_runner.workspace import Workspace
from tests.support.factories import at, instant
from tests.unit.runner.daemon.test_planner import workspace_with

SOON = timedelta(seconds=1)


def _missed(workspace: Workspace) -> list[tuple[int, object]]:
    found = workspace.catalog.backups("shop")
    return [(each.missed_runs, each.scheduled_for) for each in found if each.status is Status.MISSED]


def _started(workspace: Workspace, hour: int) -> None:
    workspace.catalog.put(instant(at(hour), scheduled_for=at(hour)))


def test_the_first_run_is_for_the_newest_due_time_and_misses_nothing(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={"grace": "3h"})
    order = outside.due_backup(workspace, "shop", at(5) + SOON)
    assert order is not None
    assert (order.due, order.trigger, _missed(workspace)) == (at(5), "schedule", [])


def test_what_is_on_record_is_not_due_again(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={})
    assert outside.due_backup(workspace, "shop", at(2) + SOON) is not None
    _started(workspace, 2)
    assert outside.due_backup(workspace, "shop", at(2, 20)) is None
    assert _missed(workspace) == []


def test_nothing_is_due_here_where_workers_make_the_runs(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={})
    shared = workspace.config.evolve(workers=workspace.config.workers.evolve(enabled=True))
    assert outside.due_backup(replace(workspace, config=shared), "shop", at(5) + SOON) is None
    assert outside.due_backup(workspace, "shop", at(5) + SOON) is not None


def test_runs_that_nothing_started_are_missed_at_the_next_one(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={})
    assert outside.due_backup(workspace, "shop", at(2)) is not None
    _started(workspace, 2)
    order = outside.due_backup(workspace, "shop", at(6, 10))
    assert order is not None
    assert (order.due, order.trigger) == (at(6), "catch-up")
    assert _missed(workspace) == [(3, at(5))]
    record = next(iter(workspace.catalog.backups("shop")))
    assert "nothing started it" in record.message


def test_from_the_install_on_even_the_first_run_can_be_missed(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={})
    outside.begin(workspace, at(1, 30))
    outside.begin(workspace, at(3, 30))  # an install that is repeated forgets nothing
    assert outside.due_backup(workspace, "shop", at(4)) is not None
    assert _missed(workspace) == [(2, at(3))]


def test_too_late_is_missed_and_not_run(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={"schedule": "0 2 * * *"})
    assert outside.due_backup(workspace, "shop", at(1)) is None
    assert outside.due_backup(workspace, "shop", at(2, 40)) is None
    assert _missed(workspace) == [(1, at(2))]
    assert outside.due_backup(workspace, "shop", at(2, 41)) is None
    assert len(_missed(workspace)) == 1


def test_another_schedule_has_missed_nothing(tmp_path: Path) -> None:
    daily = workspace_with(tmp_path, shop={"schedule": "0 2 * * *"})
    assert outside.due_backup(daily, "shop", at(2)) is not None
    _started(daily, 2)
    hourly = workspace_with(tmp_path, shop={})
    order = outside.due_backup(hourly, "shop", at(9) + SOON)
    assert order is not None
    assert (order.due, _missed(hourly)) == (at(9), [])


def test_a_paused_plan_is_neither_run_nor_missed(tmp_path: Path) -> None:
    assert outside.due_backup(workspace_with(tmp_path, shop={}), "shop", at(2)) is not None
    paused = workspace_with(tmp_path, shop={"enabled": False})
    assert outside.due_backup(paused, "shop", at(9, 30)) is None
    resumed = workspace_with(tmp_path, shop={})
    assert outside.due_backup(resumed, "shop", at(10)) is not None
    assert _missed(resumed) == []


def test_a_clock_that_was_wrong_keeps_nothing_from_running(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={})
    assert outside.due_backup(workspace, "shop", at(2) + timedelta(days=400)) is not None
    assert outside.due_backup(workspace, "shop", at(3) - SOON) is None
    # From then on the times count again.
    workspace.state.schedule("backups", "shop").unlink()
    assert outside.due_backup(workspace, "shop", at(4)) is not None


@pytest.mark.parametrize("damage", ["", "{", '{"schedule": 1}'])
def test_a_damaged_note_is_written_anew(tmp_path: Path, damage: str) -> None:
    workspace = workspace_with(tmp_path, shop={})
    assert outside.due_backup(workspace, "shop", at(2)) is not None
    workspace.state.schedule("backups", "shop").write_text(damage)
    assert outside.due_backup(workspace, "shop", at(3)) is not None


def test_a_plan_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        outside.due_backup(workspace_with(tmp_path, shop={}), "other", at(2))


@pytest.mark.parametrize(
    ("plan", "due"), [({}, True), ({"enabled": False}, False), ({"drill": {"enabled": False}}, False)]
)
def test_a_drill_is_due_once(tmp_path: Path, plan: dict[str, Any], due: bool) -> None:
    drill = {"schedule": "0 * * * *", **plan.get("drill", {})}
    workspace = workspace_with(tmp_path, shop={**plan, "drill": drill})
    order = outside.due_drill(workspace, "shop", at(5) + SOON)
    assert (order is not None) == due
    if order is not None:
        assert (order.due, order.catch_up) == (at(5), False)
        # Several were left out since; the newest is caught up.
        later = outside.due_drill(workspace, "shop", at(9, 10))
        assert later is not None
        assert (later.due, later.catch_up) == (at(9), True)
