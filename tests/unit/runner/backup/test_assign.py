"""`pgbackstop catalog assign`: the backups of a renamed plan become another plan's, whole and once."""

import itertools
import os
import shutil
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.backup import assign, reconcile
from pgbackstop_runner.copy import rebuild_catalog
from pgbackstop_runner.expire import let_go, removed_plans
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage import identity
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, storages
from tests.support.factories import DAY, NOW
from tests.unit.runner import places
from tests.unit.runner.backup import renamed_plan
from tests.unit.runner.backup.renamed_plan import NEW, OLD, filled, opened, whose


@pytest.fixture
def renamed(tmp_path: Path) -> Workspace:
    return renamed_plan.made(tmp_path / "place")


def test_all_of_them_are_another_plans(renamed: Workspace) -> None:
    ids = [each.id for each in renamed.catalog.backups()]
    encrypted = [
        codec.read(Backup, path) for path in renamed.config.folder("second").path.rglob(layout.RECORD_NAME)
    ]
    outcome = assign.run(renamed, OLD, NEW)
    assert ([each.id for each in outcome.given], outcome.problems) == (ids, ())
    assert whose(renamed) == {key: {NEW} for key in whose(renamed)}
    assert [each.id for each in renamed.catalog.backups(NEW)] == ids
    assert (len(list(renamed.catalog.copies(NEW))), len(list(renamed.catalog.proofs(NEW)))) == (2, 1)
    assert list(removed_plans.found(renamed)) == []
    for before in encrypted:
        path = renamed.config.folder("second").path / str(before.location) / layout.RECORD_NAME
        assert codec.read(Backup, path) == before.evolve(plan=NEW)
        assert before.encryption is not None
    # Retention judges them, and takes copies along.
    done = expire_run.run(renamed, NEW)
    assert [(each.backup.id, each.kept) for each in done.verdicts] == [
        (ids[0], True), (ids[1], True), (ids[2], False),
    ]  # fmt: skip
    assert done.problems == ()


def test_a_catalog_that_is_made_anew_has_them_once(renamed: Workspace) -> None:
    assign.run(renamed, OLD, NEW)
    for storage in ("disk", "second"):
        outcome = rebuild_catalog.run(renamed, storage)
        assert (outcome.restored, outcome.garbage) == ((), ())
    shutil.rmtree(renamed.state.root)
    identity.create_catalog(renamed, replace=True)
    for storage in ("second", "disk"):
        rebuild_catalog.run(renamed, storage)
    assert [each.plan for each in renamed.catalog.backups()] == [NEW] * 3
    assert [each.plan for each in renamed.catalog.copies()] == [NEW] * 2


def test_a_copy_that_has_the_old_name_makes_no_second_record(renamed: Workspace) -> None:
    """Its storage was not in the configuration when the backups were given away."""
    second = renamed.config.folder("second").path
    shutil.copytree(second, second.with_name("away"))
    assign.run(renamed, OLD, NEW)
    shutil.rmtree(second)
    second.with_name("away").rename(second)
    for copy in renamed.catalog.copies():
        (renamed.state.root / "copies" / NEW / f"{copy.backup}@second.json").unlink()
    outcome = rebuild_catalog.run(renamed, "second")
    assert [each.kind for each in outcome.restored] == ["copy", "copy"]
    assert whose(renamed)["copies"] == {NEW}
    assert {each.plan for each in renamed.catalog.backups()} == {NEW}


def test_killed_at_each_step_it_can_be_said_again(tmp_path: Path) -> None:
    """Each removal and each rename of a file is one; nothing is lost, and nothing is there twice."""
    filled(tmp_path / "template", copied=1)
    for step in itertools.count(1):
        place = tmp_path / "place"
        shutil.copytree(tmp_path / "template", place)
        workspace = opened(place, NEW)
        ids = [each.id for each in workspace.catalog.backups()]
        was_killed = killed_at(step, workspace)
        assert [each.id for each in workspace.catalog.backups()] == ids, step
        assert {workspace.catalog.backup(each).id for each in ids} == set(ids)
        if list(workspace.catalog.backups(OLD)):
            assert assign.run(workspace, OLD, NEW).problems == ()
        assert whose(workspace) == {key: {NEW} for key in whose(workspace)}, step
        assert len(list(workspace.catalog.proofs(NEW))) == 1
        assert len(list(workspace.catalog.copies(NEW))) == 1
        reconcile.one_plan(workspace, NEW)
        left = [path for path in place.rglob("*") if atomic.is_temporary(path)]
        assert left == [], step
        shutil.rmtree(place)
        if not was_killed:
            assert step > 10
            return


def killed_at(step: int, workspace: Workspace) -> bool:
    """Give them away in a child that dies before its so many-th change; whether it did."""
    pid = os.fork()
    if not pid:
        steps = itertools.count(1)

        def die(event: str, _arguments: tuple[object, ...]) -> None:
            if event in {"os.rename", "os.remove", "os.rmdir"} and next(steps) == step:
                os._exit(9)

        sys.addaudithook(die)
        outcome = assign.run(workspace, OLD, NEW)
        os._exit(bool(outcome.problems))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in {0, 9}
    return code == 9


def test_what_was_given_without_its_parent_is_not_lost(tmp_path: Path) -> None:
    """Neither by the retention of its new plan, nor with all that the old one still has."""
    workspace = storages.create(opened(tmp_path / "place", NEW))
    full = factories.physical(1, NOW - 3 * DAY, plan=OLD)
    first = factories.physical(2, NOW - 2 * DAY, plan=OLD, parent=full)
    second = factories.physical(3, NOW - DAY, plan=OLD, parent=first)
    alone = factories.physical(4, NOW - 4 * DAY, plan=OLD)
    newest = factories.physical(5, NOW)  # by itself enough for a floor
    for each in (full, first, second, alone, newest):
        places.stored(workspace, each)
    with workspace.state.lease(full.id), workspace.state.lease(first.id), workspace.state.lease(alone.id):
        assert [each.id for each in assign.run(workspace, OLD, "main-physical").given] == [second.id]
    (_, given) = expire_run.run(workspace, "main-physical", now=NOW).verdicts
    assert (given.backup.id, given.kept) == (second.id, True)
    assert not any("broken" in reason for reason in given.reasons)
    outcome = let_go.run(workspace, OLD)
    assert [each.backup.id for each in outcome.verdicts] == [alone.id]
    assert [each.split()[0] for each in outcome.problems] == [first.id, full.id]
    assert all(f"catalog assign {OLD} main-physical" in each for each in outcome.problems)
    rest = assign.run(workspace, OLD, "main-physical")
    assert [each.id for each in rest.given if each.is_available] == [first.id, full.id]
    assert all(places.folder_of(workspace, each).exists() for each in (full, first, second))
