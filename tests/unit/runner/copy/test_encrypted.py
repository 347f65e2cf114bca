"""Encrypted copies are made, listed and removed by a host that cannot read them."""

import hashlib
from pathlib import Path

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import NOW
from tests.support.keys import Keys
from tests.unit.runner import places


def test_an_encrypted_copy_says_for_whom_and_how_large(sealed: Workspace, second: Path, own: Keys) -> None:
    backup = places.stored(sealed, factories.backup(1, NOW), b"only-of-this-test")
    (made,) = run.run(sealed, "main-logical", sleep=places.no_sleep)
    assert made.status is Status.SUCCEEDED
    copied = places.content(second / str(backup.location))
    assert set(copied) == {"shop.backup.age", "backup.json", "RESTORE.md", "SHA256SUMS"}
    assert made.size_bytes == sum(map(len, copied.values()))
    record = codec.decode(Backup, copied["backup.json"], where="copy")
    assert record.encryption is not None
    (recipient,) = record.encryption.recipients
    assert recipient in own.recipients.read_text()
    assert record.encryption.stored_bytes == {"shop.backup": len(copied["shop.backup.age"])}
    digest = hashlib.sha256(copied["shop.backup.age"]).hexdigest()
    assert record.encryption.stored_sha256 == {"shop.backup": digest}
    assert made.has_stored_digests
    assert record.evolve(encryption=None) == backup
    assert copied["RESTORE.md"].endswith(b"# Restore by hand\n")
    assert recipient.encode() in copied["RESTORE.md"]
    everything = b"".join(copied.values()) + b"".join(places.content(sealed.config.catalog_folder()).values())
    assert b"only-of-this-test" not in everything
    assert b"AGE-SECRET-KEY" not in everything


def test_a_source_that_changed_is_no_encrypted_copy(sealed: Workspace, second: Path) -> None:
    backup = places.days(sealed, 1)[0]
    (places.folder_of(sealed, backup) / "shop.backup").write_bytes(b"other !!!\n")
    (failed,) = run.run(sealed, "main-logical", sleep=places.no_sleep)
    assert (failed.status, failed.attempts) == (Status.FAILED, 1)
    assert "is not what was stored first" in failed.message
    assert not list(second.rglob("*shop.backup*"))


def test_encrypted_copies_expire(sealed: Workspace, second: Path) -> None:
    places.days(sealed, 3)
    run.run(sealed, "main-logical", sleep=places.no_sleep)
    expire_run.run(sealed, "main-logical")
    assert len(list(second.rglob("*.age"))) == 1
    assert len(list(second.rglob("*.md"))) == 1


def test_recipients_that_cannot_be_read(sealed: Workspace, own: Keys) -> None:
    places.days(sealed, 1)
    own.recipients.unlink()
    (failed,) = run.run(sealed, "main-logical", sleep=places.no_sleep)
    assert failed.status is Status.FAILED
    assert f"The key file {own.recipients} cannot be read" in failed.message
