"""Copies in a storage that says itself how long they are kept."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import let_go, pin
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.restore import select_backup
from pgbackstop_runner.storage import backup_files, identity, sources
from pgbackstop_runner.storage.protocol import ByteStore
from pgbackstop_runner.verify import copies, reread, targets
from pgbackstop_runner.verify.run import Asked
from pgbackstop_runner.workspace import Workspace
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

PLAN = "main-logical"
LONGER = ({"last": 1, "minimum": 1}, {"last": 3, "minimum": 1})
SHORTER = ({"last": 4, "minimum": 1}, {"last": 2, "minimum": 1})
Make = Callable[..., Workspace]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A workspace whose plan keeps ``here``, and whose second storage keeps ``there``."""

    def made(here: dict[str, Any], there: dict[str, Any]) -> Workspace:
        second = {"kind": "folder", "path": tmp_path / "second", "keep": there}
        return places.workspace(tmp_path, keep=here, copies=("second",), storages={"second": second})

    return made


def copied(opened: Workspace, count: int, days_later: int = 0) -> list[Backup]:
    backups = places.days(opened, count, until=NOW + days_later * DAY)
    run.run(opened, PLAN, sleep=places.no_sleep)
    return backups


def held(opened: Workspace) -> list[str]:
    return sorted((each.backup for each in opened.catalog.copies(PLAN) if each.is_available), reverse=True)


def there(opened: Workspace) -> list[str]:
    root = opened.config.folder("second").path / "backups/logical/main/shop"
    return sorted((each.name for each in root.iterdir()), reverse=True)


def ids(backups: list[Backup]) -> list[str]:
    return [each.id for each in backups]


def test_what_the_storage_keeps_longer_stays_and_is_read(make: Make) -> None:
    opened = make(*LONGER)
    backups = copied(opened, 4)
    result = expire_run.run(opened, PLAN, now=NOW)
    assert result.problems == ()
    assert held(opened) == there(opened) == ids(backups[:3])
    told = {(each.backup.id, each.storage): each.kept for each in result.verdicts}
    assert (told[backups[1].id, None], told[backups[1].id, "second"]) == (False, True)
    outlived = opened.catalog.backup(backups[1].id)
    assert outlived.expired_at is not None
    (source,) = sources.of_backup(opened, outlived)
    assert (source.storage, source.passed_over) == ("second", ("disk: it has expired there.",))
    query = select_backup.BackupQuery(backup=outlived.id)
    having = backup_files.having_copies(opened.catalog)
    assert select_backup.choose(opened.catalog.backups(), query, having, now=NOW).backup == outlived
    turns = reread.choose(opened, Asked(trigger="schedule", scheduled_for=NOW + 90 * DAY))
    assert {(each.backup.id, each.storage) for each in turns.now} == {
        (backups[0].id, "disk"),
        *((each.id, "second") for each in backups[:3]),
    }
    wanted = targets.select(opened, PLAN, every=True, storage="second")[PLAN]
    assert [each.proof.status for each in copies.plan(opened, PLAN, wanted, "second")] == ["succeeded"] * 3


def test_it_stays_on_record_and_goes_with_its_time(make: Make) -> None:
    opened = make(*LONGER)
    backups = copied(opened, 4)
    for now in (NOW, NOW + timedelta(days=500)):
        expire_run.run(opened, PLAN, now=now)
    assert ids(list(opened.catalog.backups(PLAN))) == ids(backups[:3])
    newer = copied(opened, 2, days_later=500)
    expire_run.run(opened, PLAN, now=NOW + timedelta(days=500))
    assert held(opened) == there(opened) == ids([*newer, backups[0]])


def test_what_the_storage_keeps_shorter_goes_and_does_not_come_back(make: Make) -> None:
    opened = make(*SHORTER)
    backups = copied(opened, 4)
    assert held(opened) == ids(backups[:2])
    newest = copied(opened, 1, days_later=1)
    assert expire_run.run(opened, PLAN, now=NOW + DAY).problems == ()
    assert held(opened) == there(opened) == ids([*newest, backups[0]])
    assert run.missing(opened, PLAN) == ()
    opened.catalog.put(backups[1].evolve(pinned=pin.made(note="audit")))
    assert [each.backup.id for each in run.missing(opened, PLAN)] == [backups[1].id]


def test_a_copy_that_is_being_read_stays(make: Make) -> None:
    opened = make(*SHORTER)
    backups = copied(opened, 2)
    newest = copied(opened, 1, days_later=1)
    with opened.state.lease(backups[1].id):
        (problem,) = expire_run.run(opened, PLAN, now=NOW).problems
    assert problem == f"The copy of {backups[1].id} in second is in use, and is left for the next time"
    assert expire_run.run(opened, PLAN, now=NOW).problems == ()
    assert held(opened) == ids([*newest, backups[0]])


def test_in_a_storage_that_is_away_nothing_goes(make: Make, tmp_path: Path) -> None:
    opened = make(*SHORTER)
    backups = copied(opened, 2)
    newest = copied(opened, 1, days_later=1)
    (tmp_path / "second").rename(tmp_path / "away")
    (problem,) = expire_run.run(opened, PLAN, now=NOW).problems
    assert "second is not there" in problem
    (tmp_path / "away").rename(tmp_path / "second")
    assert held(opened) == there(opened) == ids([*newest, *backups])


def test_a_pin_keeps_what_has_left_the_host(make: Make) -> None:
    opened = make(*LONGER)
    backups = copied(opened, 4)
    expire_run.run(opened, PLAN, now=NOW)
    pin.pin(opened, backups[2].id, pin.made(note="audit"))
    with pytest.raises(errors.ValidationError, match="expired"):
        pin.pin(opened, backups[3].id, pin.made())
    newer = copied(opened, 3, days_later=4)
    expire_run.run(opened, PLAN, now=NOW + 4 * DAY)
    assert held(opened) == there(opened) == ids([*newer, backups[2]])


def test_a_pin_that_came_after_retention_judged_holds(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = make(*SHORTER)
    backups = copied(opened, 2)
    newest = copied(opened, 1, days_later=1)
    require = identity.require

    def pinned_meanwhile(workspace: Workspace, name: str) -> ByteStore:
        if name == "second":
            pin.pin(opened, backups[1].id, pin.made())
        return require(workspace, name)

    with monkeypatch.context() as patched:
        patched.setattr(identity, "require", pinned_meanwhile)
        (problem,) = expire_run.run(opened, PLAN, now=NOW).problems
    assert problem == f"The copy of {backups[1].id} in second stays: it was pinned meanwhile"
    assert held(opened) == there(opened) == ids([*newest, *backups])


def test_a_plan_that_was_removed_lets_them_go_too(make: Make) -> None:
    opened = make(*LONGER)
    backups = copied(opened, 4)
    expire_run.run(opened, PLAN, now=NOW)
    pin.pin(opened, backups[2].id, pin.made(note="audit"))
    config = opened.config.model_copy(update={"plans": {}})
    removed = Workspace(file=opened.file, config=config, catalog=opened.catalog)
    (problem,) = let_go.run(removed, PLAN, now=NOW).problems
    assert f"The copy of {backups[2].id} in second stays: it is pinned." in problem
    assert held(opened) == there(opened) == [backups[2].id]
    pin.unpin(opened, backups[2].id)
    assert let_go.run(removed, PLAN, now=NOW).problems == ()
    assert held(opened) == []


def test_a_pin_keeps_what_has_left_the_host_where_keep_was_taken_out(make: Make) -> None:
    opened = make(*LONGER)
    backups = copied(opened, 4)
    expire_run.run(opened, PLAN, now=NOW)
    pin.pin(opened, backups[1].id, pin.made(note="audit"))
    settings = opened.config.folder("second").model_copy(update={"keep": None})
    storages = {**opened.config.storages, "second": settings}
    config = opened.config.model_copy(update={"storages": storages})
    without = Workspace(file=opened.file, config=config, catalog=opened.catalog)
    assert expire_run.run(without, PLAN, now=NOW).problems == ()
    assert held(opened) == there(opened) == ids(backups[:2])
