"""When nothing of a renamed plan is given to another, or let go; and what the command says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.backup import assign
from pgbackstop_runner.expire import let_go, pin
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import state_folder
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, forks, storages
from tests.support.factories import DAY, NOW
from tests.unit.runner import places
from tests.unit.runner.backup import renamed_plan
from tests.unit.runner.backup.renamed_plan import NEW, OLD, opened, whose


@pytest.fixture
def renamed(tmp_path: Path) -> Workspace:
    return renamed_plan.made(tmp_path / "place")


def test_one_in_use_is_left_for_the_next_time(renamed: Workspace) -> None:
    used = list(renamed.catalog.backups(OLD))[1]
    with renamed.state.lease(used.id):
        outcome = assign.run(renamed, OLD, NEW)
    (problem,) = outcome.problems
    assert problem.startswith(f"{used.id}: ")
    assert "is already running" in problem
    assert [each.id for each in renamed.catalog.backups(OLD)] == [used.id]
    assert [each.id for each in assign.run(renamed, OLD, NEW).given] == [used.id]


def test_what_is_pinned_stays_with_what_it_is_built_on_when_the_plan_is_let_go(tmp_path: Path) -> None:
    workspace = storages.create(opened(tmp_path / "place", NEW))
    full = factories.physical(1, NOW - 3 * DAY, plan=OLD)
    pinned = factories.physical(2, NOW - 2 * DAY, plan=OLD, parent=full)
    after = factories.physical(3, NOW - DAY, plan=OLD, parent=pinned)
    for each in (full, pinned, after):
        places.stored(workspace, each)
    pin.pin(workspace, pinned.id, pin.made(note="for the audit"))
    outcome = let_go.run(workspace, OLD)
    assert [each.backup.id for each in outcome.verdicts] == [after.id]
    assert [each.split()[0] for each in outcome.problems] == [pinned.id, full.id]
    assert all(f"pgbackstop unpin {pinned.id}" in each for each in outcome.problems)
    assert all(places.folder_of(workspace, each).exists() for each in (full, pinned))
    pin.unpin(workspace, pinned.id)
    assert [each.backup.id for each in let_go.run(workspace, OLD).verdicts] == [pinned.id, full.id]


def test_a_plan_is_not_let_go_while_a_record_of_its_server_cannot_be_read(tmp_path: Path) -> None:
    """It may be pinned, or of another plan, and built on these."""
    workspace = storages.create(opened(tmp_path / "place", NEW))
    full = factories.physical(1, NOW - 3 * DAY, plan=OLD)
    child = factories.physical(2, NOW - 2 * DAY, plan=OLD, parent=full)
    for each in (full, child):
        places.stored(workspace, each)
    path = workspace.config.catalog_folder() / "backups" / OLD / f"{child.id}.json"
    before = path.read_bytes()
    path.unlink()
    outcome = let_go.run(workspace, OLD)
    assert outcome.verdicts == ()
    assert f"Backup {child.id} in disk is not in the catalog" in outcome.problems[0]
    assert places.folder_of(workspace, full).exists()
    path.write_bytes(before)
    assert [each.backup.id for each in let_go.run(workspace, OLD).verdicts] == [child.id, full.id]


def test_while_either_plan_is_at_work_nothing_is_given(renamed: Workspace) -> None:
    names = [f"{kind}-{plan}" for kind in ("plan", "verify", "expire", "copy") for plan in (OLD, NEW)]
    before = whose(renamed)
    for name in names:
        with renamed.state.held(name, name), pytest.raises(errors.Busy):
            assign.run(renamed, OLD, NEW)
    assert whose(renamed) == before


def test_a_storage_that_is_not_there_lets_nothing_be_given(renamed: Workspace) -> None:
    second = renamed.config.folder("second").path
    second.rename(second.with_name("unmounted"))
    before = whose(renamed)
    with pytest.raises(identity.NotThere, match="second"):
        assign.run(renamed, OLD, NEW)
    assert whose(renamed) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            (OLD, "main-physical"),
            3,
            "is a logical one of server main; plan main-physical makes physical ones",
        ),
        ((OLD, "elsewhere"), 3, "plan elsewhere makes logical ones of server other"),
        ((OLD, "nothing"), 7, "There is no plan 'nothing'"),
        (("nothing", NEW), 7, "no backup of a plan 'nothing'"),
        ((NEW, NEW), 2, "is in the configuration"),
    ],
)
def test_what_does_not_fit_is_refused(
    words: tuple[str, ...], code: int, said: str, renamed: Workspace
) -> None:
    before = whose(renamed)
    refused = pgbackstop(renamed, "catalog", "assign", *words, "--yes")
    assert refused.returncode == code, refused.stderr
    assert said in " ".join(refused.stderr.split())
    assert whose(renamed) == before


def test_the_command(renamed: Workspace) -> None:
    unasked = pgbackstop(renamed, "catalog", "assign", OLD, NEW)
    assert unasked.returncode == 2
    assert "Give --yes." in unasked.stderr
    told = pgbackstop(renamed, "list")
    assert f"catalog assign {OLD} PLAN" in told.stdout
    done = pgbackstop(renamed, "catalog", "assign", OLD, NEW, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Given to plan {NEW}: 4 records of backups, of plan {OLD}.\n"
    again = pgbackstop(renamed, "catalog", "assign", OLD, NEW, "--yes", "--json")
    assert again.returncode == errors.NotFound.exit_code
    assert len(json.loads(pgbackstop(renamed, "list", NEW, "--json").stdout)) == 4


def pgbackstop(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forks.run("--config", str(workspace.file), *arguments)


def test_leases_are_not_left(renamed: Workspace) -> None:
    assign.run(renamed, OLD, NEW)
    assert not list((renamed.state.root / "locks").glob(f"{state_folder.lease_name('*')}.lock"))
