"""What a drill is made with: which plans, which kinds, which backups and which moment."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import recovery
from pgbackstop_catalog.decisions.recovery import Target
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import DrillKind
from pgbackstop_runner.drill import selection
from pgbackstop_runner.drill.selection import DrillRequest
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

ANY = DrillRequest()
MOMENT = recovery.parse_time("2026-11-22T12:00Z")
LOGICAL, PHYSICAL = "main-logical", "main-physical"


def put(opened: Workspace, *backups: Backup) -> None:
    for backup in backups:
        opened.catalog.put(backup)


def workspace(folder: Path, **changes: Any) -> Workspace:
    plans = {
        LOGICAL: {"server": "main", "backup_type": "logical"},
        PHYSICAL: {"server": "main", "backup_type": "physical"},
        "other-logical": {"server": "other", "backup_type": "logical"},
        "paused": {"server": "other", "backup_type": "physical", "enabled": False},
    }
    servers = {"main": changes.pop("main", {}), "other": {}}
    return places.workspace(folder, plans=plans, servers=servers, **changes)


@pytest.mark.parametrize(
    ("name", "kind", "plans"),
    [
        (None, None, (LOGICAL, PHYSICAL, "other-logical")),
        (None, "logical", (LOGICAL, "other-logical")),
        (None, "pitr", (PHYSICAL,)),
        ("main", None, (LOGICAL, PHYSICAL)),
        ("main", "physical", (PHYSICAL,)),
        ("paused", None, ("paused",)),  # a person asked for it
        ("other", None, ("other-logical", "paused")),
    ],
)
def test_the_plans_of_a_name_of_a_server_or_all_that_are_not_paused(
    name: str | None, kind: DrillKind | None, plans: tuple[str, ...], tmp_path: Path
) -> None:
    assert selection.plans(workspace(tmp_path), name, kind) == plans


def test_a_name_or_a_kind_that_fits_nothing_is_said(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    with pytest.raises(errors.NotFound, match="no plan or server 'shop'") as caught:
        selection.plans(opened, "shop", None)
    assert "main, main-logical, main-physical, other" in caught.value.remedy
    with pytest.raises(errors.ConfigError, match="main-logical has no plan for a pitr drill"):
        selection.plans(opened, LOGICAL, "pitr")


@pytest.mark.parametrize(
    ("plan", "request_", "wal", "kinds"),
    [
        (LOGICAL, ANY, True, ("logical",)),
        (LOGICAL, DrillRequest(kind="logical"), True, ("logical",)),
        (PHYSICAL, ANY, True, ("physical", "pitr")),
        (PHYSICAL, ANY, False, ("physical",)),
        (PHYSICAL, DrillRequest(kind="pitr"), True, ("pitr",)),
        (PHYSICAL, DrillRequest(kind="physical"), True, ("physical",)),
        (
            PHYSICAL,
            DrillRequest(time=MOMENT),
            True,
            ("pitr",),
        ),
    ],
)
def test_the_kinds_that_a_plan_gets(
    plan: str, request_: DrillRequest, wal: bool, kinds: tuple[DrillKind, ...], tmp_path: Path
) -> None:
    opened = workspace(tmp_path, main={"wal": {"enabled": wal}})
    assert selection.kinds(opened, plan, request_) == kinds


def test_the_newest_good_backup_of_each_database(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    old, shop, blog = (
        factories.backup(1, NOW - 2 * DAY),
        factories.backup(2, NOW - DAY),
        factories.backup(3, NOW - DAY, database="blog"),
    )
    put(opened, old, shop, blog, factories.backup(4, NOW, status=Status.FAILED))
    chosen = selection.choices(opened, LOGICAL, "logical", ANY)
    assert [(choice.backup, choice.aim) for choice in chosen] == [(blog, None), (shop, None)]
    only = selection.choices(opened, LOGICAL, "logical", DrillRequest(databases=("shop",)))
    assert [choice.backup for choice in only] == [shop]
    with pytest.raises(errors.NotFound, match="Plan main-logical has no good backup of news, wiki"):
        selection.choices(opened, LOGICAL, "logical", DrillRequest(databases=("news", "shop", "wiki")))


@pytest.mark.parametrize(("plan", "kind"), [(LOGICAL, "logical"), (PHYSICAL, "physical"), (PHYSICAL, "pitr")])
def test_a_plan_that_never_had_a_backup_is_told_from_one_that_lost_them(
    plan: str, kind: DrillKind, tmp_path: Path
) -> None:
    opened = workspace(tmp_path)
    made = factories.backup(1, NOW, plan=plan, backup_type=opened.plan(plan).backup_type)
    put(opened, made.evolve(status=Status.FAILED))
    assert selection.about(opened, plan) is None
    with pytest.raises(selection.NothingYet):
        selection.choices(opened, plan, kind, ANY)
    put(opened, made.evolve(verification="failed", status=Status.FAILED))
    assert selection.about(opened, plan) is not None
    with pytest.raises(errors.ValidationError) as caught:
        selection.choices(opened, plan, kind, ANY)
    assert type(caught.value) is errors.ValidationError


def test_what_cannot_be_drilled_is_the_newest_that_once_was_good(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    expired, corrupt = (
        factories.backup(1, NOW - DAY, expired_at=NOW),
        factories.backup(2, NOW, status=Status.FAILED, verification="failed"),
    )
    put(opened, expired, corrupt)
    assert selection.about(opened, LOGICAL) == corrupt
    good = factories.backup(0, NOW - 2 * DAY)
    put(opened, good)
    assert selection.about(opened, LOGICAL) == good


@pytest.mark.parametrize(("wal", "kind"), [(True, "latest"), (False, "immediate")])
def test_a_base_backup_is_recovered_as_far_as_its_wal_goes(wal: bool, kind: str, tmp_path: Path) -> None:
    opened = workspace(tmp_path, main={"wal": {"enabled": wal}})
    backups = [places.base_backup(number) for number in (1, 3)]
    put(opened, *backups, places.base_backup(5, status=Status.FAILED))
    (choice,) = selection.choices(opened, PHYSICAL, "physical", ANY)
    assert choice.aim is not None
    assert (choice.backup, choice.aim.target, choice.aim.reason) == (
        backups[1],
        Target(kind=kind),  # type: ignore[arg-type]
        "the plan's newest backup",
    )


def test_a_moment_that_was_asked_for_begins_from_the_backup_before_it(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    backups = [places.base_backup(number) for number in (1, 5)]
    put(opened, *backups)
    places.archived(opened, 1, 9)
    asked = recovery.parse_time(places.minute(4).isoformat())
    (choice,) = selection.choices(opened, PHYSICAL, "pitr", DrillRequest(time=asked))
    assert choice.aim is not None
    assert (choice.backup, choice.aim.target) == (backups[0], asked)
    assert choice.aim.reason == "the moment was asked for: 2026-11-22T12:04:00.000Z"
    late = recovery.parse_time(places.minute(10).isoformat())
    with pytest.raises(errors.ValidationError, match="after the last moment"):
        selection.choices(opened, PHYSICAL, "pitr", DrillRequest(time=late))


@pytest.fixture(scope="module")
def with_window(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A window from minute 2 to minute 9, with two backups in it."""
    opened = workspace(tmp_path_factory.mktemp("window"))
    put(opened, places.base_backup(2), places.base_backup(6))
    places.archived(opened, 1, 9)
    return opened


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_seed_gives_one_moment_of_the_window(seed: int, with_window: Workspace) -> None:
    request = DrillRequest(seed=seed)
    (choice,) = selection.choices(with_window, PHYSICAL, "pitr", request)
    assert choice.aim is not None
    moment = choice.aim.target.moment
    assert moment is not None
    assert places.minute(2) <= moment <= places.minute(9)
    assert choice.backup.id == places.base_backup(6 if moment >= places.minute(6) else 2).id
    assert f"seed {seed}" in choice.aim.reason
    assert selection.choices(with_window, PHYSICAL, "pitr", request) == (choice,)


def test_without_a_seed_moments_differ(with_window: Workspace) -> None:
    chosen = [selection.choices(with_window, PHYSICAL, "pitr", ANY)[0].aim for _ in range(5)]
    assert len({aim.target.moment for aim in chosen if aim is not None}) > 1


def test_a_backup_that_is_named_is_drilled_and_not_the_newest(tmp_path: Path) -> None:
    opened = workspace(tmp_path, main={"wal": {"enabled": False}})
    lsn: dict[str, Any] = {"start_lsn": "0/2000028", "stop_lsn": "0/2000100", "timeline": 1}
    older = [factories.backup(1, NOW - DAY), factories.physical(2, NOW - DAY, **lsn)]
    newer = [factories.backup(3, NOW), factories.physical(4, NOW, **lsn)]
    put(opened, *older, *newer)
    for each, kind in zip(older, ("logical", "physical"), strict=True):
        found = selection.backup(opened, each.id)
        request = DrillRequest(backup=found)
        assert selection.kinds(opened, each.plan, request) == (kind,)
        [choice] = selection.choices(opened, each.plan, kind, request)  # type: ignore[arg-type]
        assert choice.backup.id == each.id
    assert selection.backup(opened, LOGICAL) is None
    with pytest.raises(errors.NotFound):
        selection.backup(opened, "20200101T")


def test_a_named_backup_that_is_gone_is_said(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    gone = factories.backup(1, NOW, expired_at=NOW)
    with pytest.raises(errors.ValidationError, match="cannot be drilled: it is expired"):
        selection.choices(opened, LOGICAL, "logical", DrillRequest(backup=gone))
