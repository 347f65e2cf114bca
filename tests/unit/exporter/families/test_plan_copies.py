"""The metrics of a plan's copies in further storages."""

from datetime import timedelta
from pathlib import Path

from pgbackstop_catalog.records.attempt import Status
from tests.support.factories import DAY, NOW, copy_of, daily, proof_of
from tests.unit.exporter.pages_of import value, values
from tests.unit.exporter.plan_snapshot import of

OLDEST_COPY = "backup_copy_oldest_verification_timestamp_seconds"


def test_copies_start_at_zero_for_each_configured_storage(tmp_path: Path) -> None:
    found = of(tmp_path, daily(), copies=["offsite"])
    assert value(found, "backup_copy_success_timestamp_seconds", storage="offsite") == 0.0
    assert value(found, "backup_copy_failures_total", storage="offsite") == 0.0
    assert value(found, "backup_copy_damaged", storage="offsite") == 0.0
    assert values(found, OLDEST_COPY) == []


def test_copies_are_read_and_found_damaged_by_storage(tmp_path: Path) -> None:
    old, new, rotten = daily(NOW - 9 * DAY), daily(NOW - 2 * DAY), daily(NOW - 3 * DAY)
    expired = daily(NOW - 40 * DAY, expired_at=NOW)
    damaged = {"status": Status.FAILED, "damaged_at": NOW, "verified_at": NOW - 30 * DAY}
    copies = [
        copy_of(old, verified_at=NOW - DAY),
        copy_of(new),
        copy_of(rotten, **damaged),
        copy_of(expired),
        copy_of(expired, storage="disk", **damaged),
    ]
    found = of(tmp_path, old, new, rotten, expired, *copies, copies=["offsite"])
    assert value(found, "backup_copy_damaged", storage="offsite") == 1.0
    assert value(found, OLDEST_COPY, storage="offsite") == (NOW - 2 * DAY).timestamp()
    assert values(found, "backup_copy_damaged", storage="disk") == []


def test_copies_that_their_storage_keeps_for_longer_are_judged_on(tmp_path: Path) -> None:
    """What left the host is not missing there, and its copies are as due to be read as any."""
    kept, expired, rotten = (daily(NOW - days * DAY) for days in (2, 40, 41))
    gone = [each.evolve(expired_at=NOW) for each in (expired, rotten)]
    damaged = copy_of(rotten, status=Status.FAILED, damaged_at=NOW)
    copies = [copy_of(kept), copy_of(expired), damaged]
    found = of(tmp_path, kept, *gone, *copies, offsite={"keep": {"last": 50}}, copies=["offsite"])
    assert value(found, OLDEST_COPY, storage="offsite") == (NOW - 40 * DAY).timestamp()
    assert value(found, "backup_copy_damaged", storage="offsite") == 1.0


def test_a_storage_that_copies_go_to_no_more_still_tells_of_them(tmp_path: Path) -> None:
    rotten = daily(NOW - 3 * DAY)
    found = of(tmp_path, rotten, copy_of(rotten, status=Status.FAILED, damaged_at=NOW), copies=[])
    assert value(found, "backup_copy_damaged", storage="offsite") == 1.0
    assert values(found, "backup_copy_success_timestamp_seconds", storage="offsite") == []


def test_a_proof_of_a_copy_says_nothing_of_the_backup_itself(tmp_path: Path) -> None:
    record = daily(verified_at=None)
    read = proof_of(record, proof="verify", drill="", copy_in="offsite")
    drilled = proof_of(record, id="20261122T150000Z-0000000d", copy_in="offsite")
    found = of(tmp_path, record, copy_of(record), read, drilled, copies=["offsite"])
    ended = (NOW + timedelta(seconds=60)).timestamp()
    assert value(found, "backup_copy_verified_timestamp_seconds", storage="offsite") == ended
    assert value(found, "backup_copy_drill_success_timestamp_seconds", storage="offsite") == ended
    assert value(found, "backup_verified_timestamp_seconds", plan="daily") == 0.0
    assert value(found, "backup_drill_success_timestamp_seconds", plan="daily") == ended
