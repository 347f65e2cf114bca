"""Digests: what is kept of a record in memory says the same as the record."""

import json
from typing import Any

import pytest

from benchmarks.fleet import catalog as fleet_catalog
from pgbackstop_catalog.decisions import attempts
from pgbackstop_catalog.decisions.attempts import Subject, attempt_of
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_catalog.store import packed_records
from tests.support.factories import DAY, NOW, copy_of, daily, proof_of, weekly

LOST = tuple(VanishedTable(table=f"public.t{number}", rows_before=5000, rows=0) for number in range(2))
SEEN = Acknowledgement(at=NOW, operator="ops")
CONDEMNED: dict[str, Any] = {"status": Status.FAILED, "reason": Reason.CORRUPT, "verification": "failed"}
SHOP = Subject("main", "shop", "logical")


@pytest.mark.parametrize(
    "record",
    [
        daily(verified_at=NOW, scheduled_for=NOW - DAY),
        daily(status=Status.FAILED, finished_at=NOW),
        daily(status=Status.RUNNING, progress_bytes=3, progress_expected_bytes=8),
        daily(status=Status.RUNNING),
        daily(status=Status.MISSED, missed_runs=4),
        daily(expired_at=NOW, size_bytes=None, source_size_bytes=None),
        daily(vanished=LOST),
        daily(vanished=LOST, acknowledged=SEEN),
        daily(**CONDEMNED),
        daily(**CONDEMNED, acknowledged=SEEN),
        weekly(method="incremental", start_lsn="1F/A0000028", timeline=7),
    ],
    ids=lambda record: f"{record.backup_type} {record.status}",
)
def test_a_digest_is_the_attempt_itself(record: Backup) -> None:
    packing = packed_records.Attempts()
    assert packing.unpack(record.id, packing.pack(record)) == attempt_of(record)


def test_a_digest_needs_none_of_the_keys_that_readers_leave_out() -> None:
    record = fleet_catalog.sample_backup()
    document = json.loads(codec.encode(record))
    assert all(document.pop(key) is not None or key == "file_list" for key in attempts.UNREAD)
    without = codec.decode(Backup, json.dumps(document).encode(), where="here")
    assert without != record
    assert attempt_of(without) == attempt_of(record)
    packing = packed_records.Attempts()
    assert packing.is_final(without) == packing.is_final(record)


def test_what_vanished_is_looked_at_until_it_is_acknowledged() -> None:
    packing = packed_records.Attempts()
    expired = daily(expired_at=NOW, vanished=LOST)
    assert not packing.is_final(expired)
    assert packing.is_final(expired.evolve(acknowledged=SEEN))
    assert attempt_of(expired).vanished == 2


def test_a_damaged_backup_is_looked_at_as_long_as_it_lies_there() -> None:
    packing = packed_records.Attempts()
    damaged = daily(**CONDEMNED, acknowledged=SEEN)
    assert not packing.is_final(damaged)
    assert packing.is_final(damaged.evolve(expired_at=NOW))


def test_digests_of_copies_and_proofs() -> None:
    record = daily()
    copies, proofs = packed_records.Copies(), packed_records.Proofs()
    copied, proof = copy_of(record, failures=2), proof_of(record, proven_until=NOW)
    copy = copies.unpack(f"{record.id}@offsite", copies.pack(copied))
    assert copy == packed_records.CopyDigest(
        record.id, SHOP, "offsite", True, True, False, NOW.timestamp(), 2
    )
    assert proofs.unpack("", proofs.pack(proof.evolve(copy_in="offsite"))).copy_in == "offsite"
    assert proofs.unpack("", proofs.pack(proof)) == (
        SHOP,
        "",
        True,
        True,
        NOW.timestamp() + 60,
        60.0,
        NOW.timestamp(),
        False,
    )
    assert [
        (found.succeeded, found.failed)
        for status in (Status.FAILED, Status.INTERRUPTED)
        for found in (proofs.unpack("", proofs.pack(proof.evolve(status=status))),)
    ] == [(False, True), (False, False)]
    running = {"status": Status.RUNNING, "finished_at": None, "duration_seconds": None}
    assert (
        copies.unpack("", copies.pack(copied.evolve(status=Status.FAILED, finished_at=None))).last_read == 0.0
    )
    unfinished = proofs.unpack("", proofs.pack(proof.evolve(**running)))
    assert (unfinished.succeeded, unfinished.finished, unfinished.duration) == (False, 0.0, 0.0)
    rotten = copied.evolve(status=Status.FAILED, damaged_at=NOW, verified_at=NOW)
    digest = copies.unpack("", copies.pack(rotten))
    assert (digest.succeeded, digest.is_damaged, digest.is_kept) == (False, True, False)
    assert not copies.unpack("", copies.pack(rotten.evolve(expired_at=NOW))).is_damaged
    assert not proofs.is_final(proof.evolve(**running))
    assert copies.is_final(copied.evolve(expired_at=NOW))
