"""`pgbackstop catalog assign`: the backups of a renamed plan become another plan's, whole and once."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.backup import assign, reconcile
from pgbackstop_runner.copy import rebuild_catalog
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.expire import let_go, pin, removed_plans
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import state_folder
from pgbackstop_runner.workspace import Workspace, open_workspace
from tests.support import factories, forks, keys, storages
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


@pytest.fixture
def renamed(tmp_path: Path) -> Workspace:
    """The same, with one more backup, that has no copy yet."""
    workspace = filled(tmp_path / "place", copied=2)
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


def test_one_in_use_is_left_for_the_next_time(renamed: Workspace) -> None:
    used = list(renamed.catalog.backups(OLD))[1]
    with renamed.state.lease(used.id):
        outcome = assign.run(renamed, OLD, NEW)
    (problem,) = outcome.problems
    assert problem.startswith(f"{used.id}: ")
    assert "is already running" in problem
    assert [each.id for each in renamed.catalog.backups(OLD)] == [used.id]
    assert [each.id for each in assign.run(renamed, OLD, NEW).given] == [used.id]


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
