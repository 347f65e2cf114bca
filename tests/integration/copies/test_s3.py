"""Copies in a real S3 server: signatures, multipart uploads, sizes and checksums."""

import hashlib
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import obstore
import pytest

from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.copy import rebuild_catalog, run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage import bucket as buckets
from pgbackstop_runner.storage import identity, retries, s3
from pgbackstop_runner.storage.bucket import Bucket
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.workspace import Workspace
from tests.conformance.storage import put
from tests.integration.copies import conftest
from tests.support.factories import NOW
from tests.support.reverse_proxy import Answer, Request, ReverseProxy
from tests.unit.runner import places


@pytest.fixture
def opened(storage: S3Storage, tmp_path: Path) -> Workspace:
    made = places.workspace(tmp_path, copies=("s3",), storages={"s3": storage.model_dump()})
    identity.create(made, "s3")
    return made


def test_a_copy_holds_every_file_under_the_same_names(opened: Workspace, storage: S3Storage) -> None:
    backup = places.days(opened, 1)[0]
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (made.status, made.message) == (Status.SUCCEEDED, "")
    bucket = s3.connect("s3", storage)
    folder = places.folder_of(opened, backup)
    assert dict(bucket.files(str(backup.location))) == {
        f"{backup.location}/{path.name}": path.stat().st_size for path in folder.iterdir()
    }
    assert bucket.read(f"{backup.location}/shop.backup") == (folder / "shop.backup").read_bytes()


def test_retention_removes_the_objects(opened: Workspace, storage: S3Storage) -> None:
    old = places.days(opened, 2)[1]
    run.run(opened, "main-logical", sleep=places.no_sleep)
    bucket = s3.connect("s3", storage)
    assert len(list(bucket.files("backups"))) == 8
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert len(list(bucket.files("backups"))) == 4
    assert list(bucket.files(str(old.location))) == []


def test_the_catalog_comes_back_from_the_bucket_alone(opened: Workspace) -> None:
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    shutil.rmtree(opened.config.folder("disk").path)
    identity.create_catalog(opened, replace=True)
    outcome = rebuild_catalog.run(opened, "s3")
    assert outcome.garbage == ()
    assert list(opened.catalog.backups()) == backups
    assert [(each.backup, each.storage) for each in opened.catalog.copies()] == [
        (each.id, "s3") for each in backups
    ]


def big_file(path: Path, megabytes: int) -> StoredFile:
    """A file whose parts all differ."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(megabytes):
            block = os.urandom(2**20)
            digest.update(block)
            file.write(block)
    return StoredFile(path=path.name, size_bytes=megabytes * 2**20, sha256=digest.hexdigest())


def test_many_parts_in_bounded_memory(storage: S3Storage, tmp_path: Path) -> None:
    expected = big_file(tmp_path / "big", 200)
    bucket = s3.connect("s3", storage)
    bucket.put_bytes(b"warm", "warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    put(bucket, tmp_path / "big", "folder/big", expected)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert dict(bucket.files("folder")) == {"folder/big": expected.size_bytes}
    assert grown < 120 * 1024, f"{grown} KiB for a file of 200 MiB"


def test_the_checksum_of_parts_is_the_bucket_s_own(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheap comparison holds for one part and for many; nothing is read back."""

    def read_back(*_arguments: object) -> bool:
        raise AssertionError("the ETag was not the one computed here")

    monkeypatch.setattr(Bucket, "_reads_back", read_back)
    bucket = s3.connect("s3", storage)
    for name, megabytes in (("one", 1), ("many", 20)):
        put(bucket, tmp_path / name, name, big_file(tmp_path / name, megabytes))


def test_another_etag_is_settled_by_reading_back(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets._PartDigests, "etags", lambda _self: set[str]())
    bucket = s3.connect("s3", storage)
    expected = big_file(tmp_path / "file", 20)
    put(bucket, tmp_path / "file", "file", expected)


def test_a_truncated_upload_is_no_copy(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 30: the sender believes it sent everything, the bucket holds less."""
    real = obstore.put

    def short(store: Any, path: str, file: Any, **options: Any) -> Any:
        parts = list(file)
        return real(store, path, iter([*parts[:-1], parts[-1][:-1]]), **options)

    monkeypatch.setattr(obstore, "put", short)
    expected = big_file(tmp_path / "file", 20)
    with pytest.raises(StoreError, match=f"of the {expected.size_bytes} bytes"):
        put(s3.connect("s3", storage), tmp_path / "file", "file", expected)


def test_other_bytes_of_the_same_size_are_no_copy(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = obstore.put

    def other(store: Any, path: str, file: Any, **options: Any) -> Any:
        return real(store, path, iter([bytes(len(part)) for part in file]), **options)

    monkeypatch.setattr(obstore, "put", other)
    expected = big_file(tmp_path / "file", 20)
    with pytest.raises(StoreError, match="holds other bytes"):
        put(s3.connect("s3", storage), tmp_path / "file", "file", expected)


@pytest.mark.parametrize(
    "changes",
    [{"endpoint": "http://127.0.0.1:9"}, {"secret_access_key_file": "wrong"}],
    ids=["nobody listens", "wrong key"],
)
def test_what_is_wrong_is_one_sentence_without_the_secret(
    opened: Workspace, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong").write_text("not-the-secret")
    if "secret_access_key_file" in changes:
        changes = {"secret_access_key_file": tmp_path / "wrong"}
    storages = {**opened.config.storages, "s3": opened.config.storages["s3"].evolve(**changes)}
    broken = Workspace(
        file=opened.file, config=opened.config.evolve(storages=storages), catalog=opened.catalog
    )
    monkeypatch.setattr(retries, "PAUSES", ())
    monkeypatch.setattr(buckets, "RETRY", {"max_retries": 0})
    monkeypatch.setattr(buckets, "RETRY_SENDING", {"max_retries": 0})
    places.days(broken, 1)
    (failed,) = run.run(broken, "main-logical", sleep=places.no_sleep)
    assert failed.status is Status.FAILED
    assert "The storage s3 cannot be used" in failed.message
    assert "\n" not in failed.message
    assert "not-the-secret" not in failed.message


def test_keys_that_are_rotated_in_mid_upload_are_taken_by_the_next_attempt(
    opened: Workspace, storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ReverseProxy(server=str(storage.endpoint))
    backup = places.days(opened, 1)[0]

    def refuses(asked: Request) -> Answer | None:
        is_old = f"Credential={conftest.ACCESS_KEY}/" in asked.headers.get("authorization", "")
        gone = b"<Error><Code>InvalidAccessKeyId</Code></Error>"
        return Answer(status=403, body=gone) if is_old and asked.method == "PUT" else None

    def rotate(_seconds: float) -> None:
        (tmp_path / "key").write_text(conftest.NEXT_KEY)
        (tmp_path / "secret").write_text(conftest.NEXT_SECRET)

    monkeypatch.setattr(proxy, "wants", refuses)
    with proxy.open() as address:
        storages = {**opened.config.storages, "s3": storage.evolve(endpoint=address)}
        config = opened.config.evolve(storages=storages)
        moved = Workspace(file=opened.file, config=config, catalog=opened.catalog)
        (made,) = run.run(moved, "main-logical", sleep=rotate)
    assert (made.status, made.failures) == (Status.SUCCEEDED, 1)
    assert f"{backup.location}/backup.json" in dict(s3.connect("s3", storage).files(str(backup.location)))
