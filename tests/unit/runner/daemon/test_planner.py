"""All plans of a configuration: the queue, the records, a catalog in trouble, another configuration."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.daemon.planner import Planner
from pgbackstop_runner.workspace import Workspace
from tests.support import storages
from tests.support.factories import at, instant


def workspace_with(folder: Path, **plans: Any) -> Workspace:
    defaults = {"server": "main", "backup_type": "physical", "schedule": "0 * * * *", "grace": "30m"}
    config = Config.model_validate(
        {
            "servers": {"main": {}},
            "storages": {"disk": {"kind": "folder", "path": folder}},
            "plans": {name: {**defaults, **plan} for name, plan in plans.items()},
        }
    )
    return Workspace(
        file=folder / "pgbackstop.yaml", config=config, catalog=storages.catalog(config.catalog_folder())
    )


def _planner(workspace: Workspace, now: datetime) -> tuple[Planner, list[Backup]]:
    told: list[Backup] = []
    return Planner.begin(workspace, told.append, now), told


def _queue(planner: Planner) -> list[tuple[str, datetime | None]]:
    return [(order.plan, order.due) for order in planner.waiting()]


def test_what_has_waited_longest_is_first(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, a={"schedule": "30 * * * *"}, b={}, c={})
    planner, _ = _planner(workspace, at(1))
    planner.look(at(1, 45))
    planner.look(at(2))
    assert _queue(planner) == [("a", at(1, 30)), ("b", at(2)), ("c", at(2))]
    planner.look(at(2, 30))
    assert _queue(planner)[0] == ("a", at(2, 30))
    planner.started("a")
    assert _queue(planner) == [("b", at(2)), ("c", at(2))]
    assert planner.next_runs() == {"a": at(3, 30), "b": at(2), "c": at(2)}
    planner.ended("a")
    planner.demand("b", at(2, 40))  # a run of it waits already, and that will do
    assert _queue(planner) == [("b", at(2)), ("c", at(2))]


def test_due_times_go_by_where_workers_make_the_runs(tmp_path: Path) -> None:
    planner, told = _planner(workspace_with(tmp_path, shop={}), at(1))
    planner.look(at(2))
    planner.pass_by(at(2, 10))
    assert _queue(planner) == []  # what waited is theirs, too
    assert planner.next_runs() == {"shop": at(3)}
    planner.pass_by(at(5, 10))
    assert planner.next_runs() == {"shop": at(6)}
    assert (told, list(planner.workspace.catalog.backups("shop"))) == ([], [])


def test_missed_runs_are_recorded_and_told(tmp_path: Path) -> None:
    planner, told = _planner(workspace_with(tmp_path, shop={}), at(1))
    planner.look(at(4, 40))
    (record,) = planner.workspace.catalog.backups("shop")
    assert (record.status, record.missed_runs, record.scheduled_for) == (Status.MISSED, 3, at(4))
    assert told == [record]
    planner.look(at(4, 41))
    assert len(told) == 1


def test_what_cannot_be_recorded_now_is_recorded_later(tmp_path: Path) -> None:
    planner, told = _planner(workspace_with(tmp_path, shop={}), at(1))
    root = planner.workspace.state.root
    (root / "backups").write_text("")  # a file where the folder should be: nothing can be written
    planner.look(at(4, 40))
    planner.look(at(4, 45))
    assert told == []
    (root / "backups").unlink()
    planner.look(at(4, 50))
    assert [record.missed_runs for record in told] == [3]
    assert list(planner.workspace.catalog.backups("shop")) == told


def test_a_restart_goes_on_from_the_records(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, shop={})
    workspace.catalog.put(instant(at(2), scheduled_for=at(2), trigger="schedule"))
    planner, _ = _planner(workspace, at(4, 20))
    planner.look(at(4, 20))
    assert _queue(planner) == [("shop", at(4))]
    (missed, _) = workspace.catalog.backups("shop")
    assert (missed.missed_runs, missed.scheduled_for) == (1, at(3))


def test_a_run_by_hand_puts_the_order_back(tmp_path: Path) -> None:
    planner, told = _planner(workspace_with(tmp_path, shop={}), at(1))
    planner.look(at(2))
    planner.started("shop")
    planner.put_back("shop", at(2, 1))
    assert _queue(planner) == [("shop", at(2))]
    planner.started("shop")
    planner.look(at(3))
    planner.put_back("shop", at(3, 1))
    planner.write(at(3, 1))
    assert _queue(planner) == [("shop", at(3))]
    assert [record.scheduled_for for record in told] == [at(2)]


def test_another_configuration_keeps_what_runs(tmp_path: Path) -> None:
    planner, told = _planner(workspace_with(tmp_path, a={}, b={}, c={}), at(1))
    planner.look(at(2))
    planner.started("a")
    planner.started("b")
    planner.adopt(workspace_with(tmp_path, a={"schedule": "15 * * * *"}, b={"enabled": False}), at(2, 10))
    assert set(planner.next_runs()) == {"a"}
    assert planner.states["a"].running is not None
    assert planner.states["b"].running is not None
    assert "c" not in planner.states
    planner.look(at(2, 15))
    assert _queue(planner) == []  # behind the run that is going
    planner.ended("a")
    planner.put_back("b", at(2, 20))  # paused meanwhile
    assert _queue(planner) == [("a", at(2, 15))]
    assert told == []


def test_missed_runs_of_a_plan_that_is_gone_are_nobodys(tmp_path: Path) -> None:
    planner, told = _planner(workspace_with(tmp_path, a={}), at(1))
    planner.look(at(2))
    planner.started("a")
    planner.look(at(3))
    running = planner.states["a"]
    planner.adopt(workspace_with(tmp_path, b={}), at(3, 1))
    planner.states["a"] = running
    planner.put_back("a", at(3, 2))
    planner.write(at(3, 2))
    assert told == []


@pytest.mark.parametrize("record", [instant(at(2), scheduled_for=at(2), trigger="schedule")])
def test_a_record_of_the_daemons_own_is_written_with_the_next_look(tmp_path: Path, record: Backup) -> None:
    planner, told = _planner(workspace_with(tmp_path, shop={}), at(1))
    planner.put(record)
    planner.look(at(1, 30))
    assert told == [record]


def test_what_is_missed_behind_a_run_is_recorded_after_it(tmp_path: Path) -> None:
    """A daemon killed between the two records would take the older due time for handled."""
    planner, told = _planner(workspace_with(tmp_path, shop={}), at(1))
    planner.look(at(2))
    planner.started("shop")
    planner.look(at(3))
    planner.look(at(4))  # takes the place of the one that waited
    assert told == []
    catalog = planner.workspace.catalog
    catalog.put(instant(at(2), scheduled_for=at(2), trigger="schedule", status=Status.RUNNING))
    planner.look(at(4, 1))
    assert [(record.status, record.scheduled_for) for record in told] == [(Status.MISSED, at(3))]
