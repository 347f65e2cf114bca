"""What is stored where, how fast it grows, and when a storage is full."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions import usage
from pgbackstop_catalog.decisions.usage import Share, StorageUsage, Stored
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.copy import Copy
from tests.support.factories import DAY, NOW, backup, physical

HERE = Share("disk", "main", "main-logical", "logical")


def test_backups_and_copies_count_while_they_lie_there() -> None:
    kept = backup(1, NOW - DAY, size_bytes=10)
    condemned = {"status": Status.FAILED, "reason": Reason.CORRUPT, "verification": "failed"}
    damaged = backup(2, NOW - 2 * DAY, size_bytes=20, **condemned)
    gone = backup(3, NOW - 3 * DAY, size_bytes=40, expired_at=NOW - DAY)
    failed = backup(4, NOW - DAY, size_bytes=80, status=Status.FAILED, reason=Reason.TOOL)
    whole = physical(5, NOW - DAY, size_bytes=100)
    good = {"status": Status.SUCCEEDED, "finished_at": NOW - DAY}
    outlived = Copy.of(gone, "offsite", started_at=NOW).evolve(size_bytes=41, **good)
    left = Copy.of(kept, "offsite", started_at=NOW).evolve(size_bytes=11, expired_at=NOW, **good)
    found = list(usage.stored([kept, damaged, gone, failed, whole], [outlived, left]))
    assert {each.share: (each.size_bytes, each.count) for each in usage.shares(found, NOW)} == {
        HERE: (30, 2),
        Share("disk", "main", "main-physical", "physical"): (100, 1),
        Share("offsite", "main", "main-logical", "logical"): (41, 1),
    }


def there(size: int, since: datetime, until: datetime | None = None) -> Stored:
    return Stored(HERE, size, since, until)


def test_what_came_and_went_is_no_growth() -> None:
    """One a day of the same size, each kept for a week: what comes is what goes."""
    found = [there(100, NOW - day * DAY, NOW - (day - 7) * DAY if day > 7 else None) for day in range(1, 90)]
    assert usage.growth(found, "disk", NOW) == pytest.approx(0, abs=5)
    assert usage.growth([*found, there(3000, NOW - DAY)], "disk", NOW) == pytest.approx(100, abs=5)
    assert usage.growth(found, "elsewhere", NOW) is None


def test_a_new_storage_grows_since_its_first_backup() -> None:
    found = [there(100, NOW - day * DAY) for day in range(11)]
    assert usage.growth(found, "disk", NOW) == pytest.approx(100)
    assert usage.growth([there(100, NOW - timedelta(hours=23))], "disk", NOW) is None


@given(
    st.none() | st.floats(-1e12, 1e12),
    st.none() | st.integers(-(10**12), 10**12),
)
def test_full_is_said_where_it_is_known(growth: float | None, room: int | None) -> None:
    found = StorageUsage(storage="disk", size_bytes=0, growth=growth, room_bytes=room)
    days = found.days_until_full
    if growth is None or room is None or growth < 1:
        assert days is None
    else:
        assert days is not None
        assert days >= 0
        assert days * growth == pytest.approx(max(0, room))
