"""A server is recovered from the nearest that is whole: the backup, and each segment of WAL after it."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import layout
from tests.integration.copies.lost_host import Archived, recovered
from tests.integration.restore.test_damaged import flip
from tests.support import backups

pytestmark = pytest.mark.parametrize("archived", ["s3"], indirect=True)
ROWS = [(number,) for number in range(1, 21)]


@contextlib.contextmanager
def flipped(path: Path) -> Iterator[None]:
    """With one bit the other way."""
    flip(path)
    try:
        yield
    finally:
        flip(path)


@contextlib.contextmanager
def away(path: Path) -> Iterator[None]:
    path.rename(path.with_name(".aside"))
    try:
        yield
    finally:
        path.with_name(".aside").rename(path)


def newest(archived: Archived) -> Restore:
    return next(iter(archived.site.catalog.restores("main")))


def test_a_damaged_base_backup_comes_from_the_copy(archived: Archived) -> None:
    with flipped(archived.base()), recovered(archived.host, archived.site) as clone:
        assert clone.execute("select n from ledger order by n") == ROWS
    record = newest(archived)
    assert (record.status, record.copy_in) == (Status.SUCCEEDED, "s3")
    assert record.source_reason == "the nearest that can be read"
    (warning,) = record.warnings
    assert warning.startswith("local: ")
    assert "damaged" in warning


def test_segments_that_are_damaged_or_lost_come_from_the_copy(archived: Archived) -> None:
    """Only those: the backup and the others are of the own folder."""
    first, second, *_ = archived.segments()[-3:]
    with flipped(first), away(second), recovered(archived.host, archived.site) as clone:
        assert clone.execute("select n from ledger order by n") == ROWS
    record = newest(archived)
    assert (record.status, record.copy_in, record.source_reason) == (Status.SUCCEEDED, None, "the nearest")
    assert [warning.partition(":")[0] for warning in record.warnings] == [
        f"WAL segment {path.stem} was taken from s3" for path in (first, second)
    ]
    assert record.warnings[0] in clone.said


def test_a_segment_that_the_copy_lacks_comes_from_the_own_folder(archived: Archived) -> None:
    segment = archived.segments()[-1]
    store = archived.store
    path = f"{layout.wal_folder('main')}/{segment.parent.name}/{segment.name}"
    content = store.read(path)
    store.put_bytes(content[:-1] + bytes([content[-1] ^ 1]), path)
    try:
        with flipped(archived.base()), recovered(archived.host, archived.site) as clone:
            assert clone.execute("select n from ledger order by n") == ROWS
    finally:
        store.put_bytes(content, path)
    record = newest(archived)
    assert record.copy_in == "s3"
    assert record.warnings[-1].startswith(f"WAL segment {segment.stem} was taken from ")
    assert "in s3 is damaged" in record.warnings[-1]


def test_the_storage_that_is_asked_for_is_the_only_one(archived: Archived) -> None:
    into = archived.host.primary.target()
    with flipped(archived.base()):
        done = archived.site.run("recover", "main", "--into", str(into), "--from", "local")
    assert done.returncode == errors.CatalogError.exit_code
    assert "is damaged" in backups.sentence(done)
    assert not into.exists()
    assert newest(archived).status is Status.FAILED


def test_a_storage_that_is_not_there_is_passed_over(archived: Archived) -> None:
    site = archived.site
    with away(site.store / layout.STORAGE_MARK):
        told = site.run("window")
        into = archived.host.primary.target()
        planned = site.run("recover", "main", "--into", str(into), "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "The window of main is that of s3, not of local: The storage local is not there" in told.stdout
    assert planned.returncode == 0, planned.stderr
    assert "all of them from s3: the nearest that can be read" in planned.stdout
    assert "not from local: The storage local is not there" in planned.stdout


@pytest.mark.root
def test_a_place_without_room_is_not_filled_from_each_storage(archived: Archived) -> None:
    site, into = archived.site, archived.host.primary.target()
    newest = site.newest()
    # As a record has it that does not know the size of its server.
    site.catalog.put(newest.evolve(source_size_bytes=None))
    into.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", into], check=True)
    try:
        done = site.run("recover", "main", "--into", str(into))
    finally:
        subprocess.run(["umount", "--lazy", into], check=True)
        site.catalog.put(newest)
    assert done.returncode == 1
    said = backups.sentence(done)
    assert f"The recovery into {into} failed: " in said
    assert "No space left on device" in said
    assert "Make room, or choose another place." in said
    assert "passed over" not in done.stderr


def test_a_target_that_none_reaches_is_refused_with_what_each_has(archived: Archived) -> None:
    into = archived.host.primary.target()
    done = archived.site.run("recover", "main", "--into", str(into), "--time", "2001-01-01T00:00:00Z")
    assert done.returncode == errors.ValidationError.exit_code
    said = backups.sentence(done)
    assert said.count("is before the first moment") == 2, said
    assert "local: 2001-01-01" in said
    assert "s3: 2001-01-01" in said
    assert "One can recover to any moment of" in said
