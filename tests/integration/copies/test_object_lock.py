"""A bucket with object lock: each object is written once, and nothing goes before its time."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage import identity, s3
from pgbackstop_runner.workspace import Workspace
from tests.integration.copies.conftest import ACCESS_KEY, SECRET_KEY
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

RULE = (
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
    "<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
)


def asked(address: str, *words: str) -> str:
    """What S3 answers to a request that our own client has no need of."""
    login = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{ACCESS_KEY}:{SECRET_KEY}"]
    argv = ["curl", "-sSf", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *login, *words, address]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def locked(storage: S3Storage) -> S3Storage:
    """The place of this test, in a bucket whose objects cannot be deleted for a day."""
    asked(f"{storage.endpoint}/locked", "-X", "PUT", "-H", "x-amz-bucket-object-lock-enabled: true")
    asked(f"{storage.endpoint}/locked?object-lock=", "-X", "PUT", "--data-binary", RULE)
    return storage.evolve(bucket="locked", locked_for=86400.0)


@pytest.fixture
def opened(locked: S3Storage, tmp_path: Path) -> Workspace:
    made = places.workspace(tmp_path, copies=("s3",), storages={"s3": locked.model_dump()})
    identity.create(made, "s3")
    return made


def versions(storage: S3Storage, kind: str) -> Counter[str]:
    """How many of each object there are: ``Version``, or ``DeleteMarker``."""
    told = asked(f"{storage.endpoint}/{storage.bucket}?versions=")
    return Counter(re.findall(rf"<{kind}><Key>([^<]*)</Key>", told))


def test_every_object_is_written_once_and_waits_for_its_time(opened: Workspace, locked: S3Storage) -> None:
    new, old = places.days(opened, 2)
    assert {each.status for each in run.run(opened, "main-logical", sleep=places.no_sleep)} == {
        Status.SUCCEEDED
    }
    bucket = s3.connect("s3", locked)
    assert len(list(bucket.files("backups"))) == 8
    assert set(versions(locked, "Version").values()) == {1}

    result = expire_run.run(opened, "main-logical", now=NOW)
    assert result.problems == ()
    (sentence,) = result.locked
    assert sentence.startswith(f"The copy of {old.id} in s3 may not be deleted before ")
    assert versions(locked, "DeleteMarker") == {}
    assert len(list(bucket.files(str(old.location)))) == 4

    later = expire_run.run(opened, "main-logical", now=utc_now() + 2 * DAY)
    assert (later.problems, later.locked) == ((), ())
    assert list(bucket.files(str(old.location))) == []
    assert len(list(bucket.files(str(new.location)))) == 4
