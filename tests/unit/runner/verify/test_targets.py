"""Which backups a verify reads, and in which order."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.verify import targets
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

FILES = (StoredFile(path="shop.backup", size_bytes=1, sha256="0" * 64),)
CORRUPT = {"status": Status.FAILED, "reason": Reason.CORRUPT, "files": FILES}


def put(opened: Workspace, *backups: Backup) -> None:
    for backup in backups:
        opened.catalog.put(backup)


@pytest.mark.parametrize(
    ("changes", "readable"),
    [
        ({}, True),
        ({"expired_at": NOW}, False),
        (CORRUPT, True),  # a second look may find that only the disk was out of order
        ({**CORRUPT, "expired_at": NOW}, False),
        ({**CORRUPT, "files": ()}, False),
        ({**CORRUPT, "location": None}, False),
        ({**CORRUPT, "reason": Reason.TOOL}, False),
        ({"status": Status.RUNNING}, False),
        ({"status": Status.MISSED}, False),
    ],
)
def test_where_there_are_bytes_to_read(changes: dict[str, Any], readable: bool) -> None:
    assert targets.is_readable(factories.backup(1, NOW, **changes)) is readable


def test_the_newest_good_one_of_each_database() -> None:
    backups = [
        factories.backup(4, NOW, database="shop", status=Status.FAILED),
        factories.backup(3, NOW - DAY, database="blog"),
        factories.backup(2, NOW - DAY, database="shop"),
        factories.backup(1, NOW - 2 * DAY, database="shop"),
    ]
    assert targets.newest(backups) == (backups[1], backups[2])
    assert targets.newest([]) == ()


def test_those_that_it_is_built_on_come_first_and_once() -> None:
    full = factories.physical(1, NOW)
    second = factories.physical(2, NOW + DAY, parent=full)
    third = factories.physical(3, NOW + 2 * DAY, parent=second)
    sibling = factories.physical(4, NOW + 3 * DAY, parent=full)
    backups = [sibling, third, second, full]
    assert targets.with_parents([third], backups) == (full, second, third)
    assert targets.with_parents([third, sibling], backups) == (full, second, third, sibling)


def test_a_chain_goes_as_far_as_there_are_bytes() -> None:
    full = factories.physical(1, NOW, expired_at=NOW)
    second = factories.physical(2, NOW + DAY, parent=full)
    assert targets.with_parents([second], [second, full]) == (second,)


@st.composite
def histories(draw: st.DrawFn) -> list[Backup]:
    """Backups, each of which names any other, itself or none as its parent: circles too."""
    count = draw(st.integers(1, 7))
    backups = [factories.physical(number, NOW + timedelta(hours=number)) for number in range(count)]
    parents = draw(st.lists(st.none() | st.integers(0, count - 1), min_size=count, max_size=count))
    return [
        backup.evolve(parent=None if parent is None else backups[parent].id)
        for backup, parent in zip(backups, parents, strict=True)
    ]


@given(histories())
def test_every_history_is_read_once_and_ends(backups: list[Backup]) -> None:
    chosen = targets.with_parents(backups, backups)
    assert sorted(backup.id for backup in chosen) == sorted(backup.id for backup in backups)


@given(histories())
def test_a_parent_is_read_before_what_is_built_on_it(backups: list[Backup]) -> None:
    older = {backup.id: backup for backup in backups}
    straight = [
        backup.evolve(parent=backup.parent if backup.parent and backup.parent < backup.id else None)
        for backup in older.values()
    ]
    order = [backup.id for backup in targets.with_parents(reversed(straight), straight)]
    for backup in straight:
        assert backup.parent is None or order.index(backup.parent) < order.index(backup.id)


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    made = places.workspace(tmp_path)
    full = factories.physical(3, NOW)
    put(made, factories.backup(1, NOW - DAY), factories.backup(2, NOW), full)
    put(made, factories.physical(4, NOW + DAY, parent=full), factories.backup(5, NOW, plan="gone"))
    return made


def numbers(chosen: dict[str, tuple[Backup, ...]]) -> dict[str, list[int]]:
    return {plan: [int(backup.id[-6:], 16) for backup in backups] for plan, backups in chosen.items()}


@pytest.mark.parametrize(
    ("name", "every", "chosen"),
    [
        (None, False, {"gone": [5], "main-logical": [2], "main-physical": [3, 4]}),
        (None, True, {"gone": [5], "main-logical": [2, 1], "main-physical": [3, 4]}),
        ("main-logical", True, {"main-logical": [2, 1]}),
        ("gone", False, {"gone": [5]}),  # a plan that left the configuration, and whose backups are kept
    ],
)
def test_of_a_plan_or_of_all(
    opened: Workspace, name: str | None, every: bool, chosen: dict[str, list[int]]
) -> None:
    assert numbers(targets.select(opened, name, every=every)) == chosen


def test_one_backup_and_those_that_it_is_built_on(opened: Workspace) -> None:
    backup_id = factories.physical(4, NOW + DAY).id
    assert numbers(targets.select(opened, backup_id[:9], every=False)) == {"main-physical": [3, 4]}


def test_what_cannot_be_verified_is_said(opened: Workspace, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="no plan and no backup 'nightly'") as caught:
        targets.select(opened, "nightly", every=False)
    assert "main-logical, main-physical" in caught.value.remedy
    backup = factories.backup(6, NOW + 2 * DAY, expired_at=NOW + 3 * DAY)
    put(opened, backup)
    with pytest.raises(errors.NotFound, match="has expired: there is nothing to read"):
        targets.select(opened, backup.id, every=False)
    with pytest.raises(errors.ConfigError, match="--all goes with a plan"):
        targets.select(opened, backup.id, every=True)
    empty = places.workspace(tmp_path / "empty")
    with pytest.raises(errors.NotFound, match="There is no good backup"):
        targets.select(empty, None, every=False)
    with pytest.raises(errors.NotFound, match="Plan main-logical has no good backup"):
        targets.select(empty, "main-logical", every=True)
