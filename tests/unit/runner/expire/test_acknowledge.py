"""Whoever takes note of vanished rows or of damage is on record, once, and lets go of what was held."""

from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.vanished import VanishedTable
from pgbackstop_catalog.store import layout
from pgbackstop_runner.expire import acknowledge
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.expire.acknowledge import NothingToAcknowledge
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

CONDEMNED: dict[str, Any] = {
    "status": Status.FAILED,
    "reason": Reason.CORRUPT,
    "verification": "failed",
    "message": "shop.backup has 1 bytes instead of 10.",
}
LOST = (VanishedTable(table="public.orders", rows_before=5000, rows=0),)


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


@pytest.fixture
def backups(opened: Workspace) -> list[Backup]:
    """The second of three saw that what the first one has is gone; the newest first."""
    return [
        places.stored(opened, factories.backup(3, NOW, row_counts={"public.orders": 0})),
        places.stored(opened, factories.backup(2, NOW - DAY, row_counts={"public.orders": 0}, vanished=LOST)),
        places.stored(opened, factories.backup(1, NOW - 2 * DAY, row_counts={"public.orders": 5000})),
    ]


def available(opened: Workspace) -> list[str]:
    return [each.id for each in opened.catalog.backups("main-logical") if each.is_available]


def test_what_was_held_goes_with_the_next_expire(opened: Workspace, backups: list[Backup]) -> None:
    newest, seen, holder = backups
    expire_run.run(opened, "main-logical", now=NOW)
    assert available(opened) == [newest.id, holder.id]
    done = acknowledge.acknowledge(opened, seen.id[:17], note="meant")
    assert done.acknowledged is not None
    assert (done.acknowledged.note, bool(done.acknowledged.operator)) == ("meant", True)
    assert codec.encode(opened.catalog.backup(seen.id)) == codec.encode(done)
    expire_run.run(opened, "main-logical", now=NOW)
    assert available(opened) == [newest.id]


def test_it_is_beside_the_bytes_too(opened: Workspace, backups: list[Backup]) -> None:
    done = acknowledge.acknowledge(opened, backups[1].id)
    beside = places.folder_of(opened, done) / layout.RECORD_NAME
    assert beside.read_bytes() == codec.encode(done)


def test_a_second_time_is_refused_with_who_was_first(opened: Workspace, backups: list[Backup]) -> None:
    done = acknowledge.acknowledge(opened, backups[1].id)
    assert done.acknowledged is not None
    with pytest.raises(NothingToAcknowledge, match=f"acknowledged by {done.acknowledged.operator}"):
        acknowledge.acknowledge(opened, backups[1].id)


def test_where_nothing_vanished_the_one_that_waits_is_named(opened: Workspace, backups: list[Backup]) -> None:
    # What waits is told of by the clock, as in `list` and the metric.
    fresh = backups[1].evolve(finished_at=utc_now())
    opened.catalog.put(fresh)
    with pytest.raises(NothingToAcknowledge) as refused:
        acknowledge.acknowledge(opened, backups[2].id)
    assert refused.value.remedy == f"Of plan main-logical there waits: {fresh.id}."
    acknowledge.acknowledge(opened, fresh.id)
    with pytest.raises(NothingToAcknowledge, match="has no backup that waits"):
        acknowledge.acknowledge(opened, backups[2].id)


def test_what_is_being_read_is_left_alone(opened: Workspace, backups: list[Backup]) -> None:
    """A verify writes the record anew when it ends, and would forget the acknowledgement."""
    with opened.state.lease(backups[1].id), pytest.raises(errors.Busy):
        acknowledge.acknowledge(opened, backups[1].id)
    assert opened.catalog.backup(backups[1].id).acknowledged is None


def test_a_backup_that_expired_can_still_be_acknowledged(opened: Workspace, backups: list[Backup]) -> None:
    expire_run.run(opened, "main-logical", now=NOW)
    done = acknowledge.acknowledge(opened, backups[1].id)
    assert done.expired_at == NOW
    assert not places.folder_of(opened, done).exists()


def test_a_damaged_backup_stays_until_it_is_acknowledged_and_goes_then(opened: Workspace) -> None:
    good = places.stored(opened, factories.backup(2, NOW))
    damaged = places.stored(opened, factories.backup(1, NOW - DAY)).evolve(**CONDEMNED)
    opened.catalog.put(damaged)
    folder = places.folder_of(opened, damaged)
    expire_run.run(opened, "main-logical", now=NOW)
    assert folder.exists()
    done = acknowledge.acknowledge(opened, damaged.id, note="The disk is new.")
    assert done.acknowledged is not None
    assert folder.exists()
    expire_run.run(opened, "main-logical", now=NOW)
    assert not folder.exists()
    assert opened.catalog.backup(damaged.id).expired_at == NOW
    assert available(opened) == [good.id]
    with pytest.raises(NothingToAcknowledge):
        acknowledge.acknowledge(opened, damaged.id)


def test_of_what_waits_the_damaged_one_is_named_too(opened: Workspace) -> None:
    good = places.stored(opened, factories.backup(2, NOW))
    damaged = factories.backup(1, NOW - DAY, **CONDEMNED)
    opened.catalog.put(damaged)
    with pytest.raises(NothingToAcknowledge) as refused:
        acknowledge.acknowledge(opened, good.id)
    assert refused.value.remedy == f"Of plan main-logical there waits: {damaged.id}."
