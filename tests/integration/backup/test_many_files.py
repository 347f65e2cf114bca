"""A dump with a file for each of many tables: its list stands beside the bytes, and all read it there."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_runner.storage.stored_backup import StoredBackup
from tests.integration.restore import places
from tests.support import backups
from tests.support.backups import Site
from tests.support.databases import Database

TABLES = 120


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Site:
    """Its plan has copied its one backup to a second storage, and verified it."""
    with database.connect() as connection:
        for number in range(TABLES):
            connection.execute(f"create table many_{number} as select {number} as n".encode())
    return Site(
        folder=tmp_path,
        server=database.server,
        plans={"shop": backups.plan(databases=[database.name], format="directory", copies=["second"])},
        more_storages={"second": {"kind": "folder", "path": str(tmp_path / "second")}},
    )


def files_of(place: Site, made: Backup) -> tuple[StoredFile, ...]:
    return StoredBackup(backup=made, folder=place.path(made)).files()


def test_from_the_backup_to_its_restore(place: Site, database: Database, tmp_path: Path) -> None:
    made = places.backup(place)
    assert made.file_list is not None
    assert made.files == ()
    assert made.verified_at is not None, made.verification
    folder = place.path(made)
    beside = {"SHA256SUMS", "RESTORE.md", "backup.json"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == beside | {each.path for each in files_of(place, made)}
    assert made.file_list.count == len(there) - len(beside) > TABLES
    assert f" in {made.file_list.count} files." in (folder / "RESTORE.md").read_text()
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    (copy,) = place.catalog.copies("shop")
    assert copy.status is Status.SUCCEEDED, copy.message
    restored = places.restore(place)
    assert restored.status is Status.SUCCEEDED
    assert database.execute(f"select n from many_{TABLES - 1}") == [(TABLES - 1,)]
    for storage in ("local", "second"):
        place.catalog.path(made).unlink()
        rebuilt = place.run("catalog", "rebuild", "--storage", storage)
        assert rebuilt.returncode == 0, rebuilt.stderr
        assert "damaged" not in rebuilt.stdout + rebuilt.stderr
        assert place.newest().file_list == made.file_list
    assert place.run("verify", made.id).returncode == 0


def as_it_was(place: Site, made: Backup) -> Backup:
    """The record as versions wrote it that listed every file."""
    document = json.loads(codec.encode(made.evolve(files=files_of(place, made), file_list=None)))
    del document["file_list"]
    content = json.dumps(document, indent=2).encode() + b"\n"
    for path in (place.catalog.path(made), place.path(made) / "backup.json"):
        path.write_bytes(content)
    return codec.decode(Backup, content, where="an old record")


def test_a_backup_of_an_earlier_version(place: Site, database: Database) -> None:
    old = as_it_was(place, places.backup(place))
    assert len(old.files) > TABLES
    assert files_of(place, old) == old.files
    (place.path(old) / "SHA256SUMS").unlink()  # as it condemned nothing then
    done = place.run("verify", old.id)
    assert "SHA256SUMS is not there; the backup itself is as recorded" in done.stdout + done.stderr
    assert place.newest().is_available
    assert places.restore(place).status is Status.SUCCEEDED
    assert database.execute(f"select n from many_{TABLES - 1}") == [(TABLES - 1,)]


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no list": (lambda folder: (folder / "SHA256SUMS").unlink(), "is not there"),
    "cut list": (lambda folder: cut(folder / "SHA256SUMS"), "is not the one that was stored"),
    "other list": (lambda folder: swap(folder / "SHA256SUMS"), "is not the one that was stored"),
    "a pipe": (lambda folder: pipe(folder / "SHA256SUMS"), "cannot be read: it is no regular file"),
    "a file less": (lambda folder: next(folder.glob("*.dir/*.dat*")).unlink(), "is missing"),
    "a cut file": (lambda folder: cut(next(folder.glob("*.dir/*.dat*"))), "bytes instead of"),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swap(path: Path) -> None:
    """Another digest of the right form."""
    content = path.read_bytes()
    path.write_bytes((b"1" if content[:1] == b"0" else b"0") + content[1:])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_as_it_was_is_one_sentence(place: Site, database: Database, damage: str) -> None:
    made = places.backup(place)
    do, words = DAMAGES[damage]
    do(place.path(made))
    before = places.databases(database.server)
    refused = place.run("restore", made.id, "--into", "elsewhere", "--storage", "local")
    assert refused.returncode != 0
    assert f"Backup {made.id} is damaged: " in backups.sentence(refused)
    assert words in backups.sentence(refused)
    assert places.databases(database.server) == before
    for storage in place.catalog.copies("shop"):
        place.catalog.put(storage.evolve(status=Status.FAILED))
    copied = place.run("copy", "shop")
    assert f"Backup {made.id} is damaged: " in copied.stdout + copied.stderr
    verified = place.run("verify", made.id)
    assert verified.returncode == errors.Corrupt.exit_code
    assert words in verified.stdout + verified.stderr
    condemned = place.newest()
    assert condemned.is_damaged
    assert words in condemned.message
    for done in (refused, copied, verified):
        assert "Traceback" not in done.stdout + done.stderr


def test_a_list_that_was_put_back_makes_a_good_backup_again(place: Site) -> None:
    made = places.backup(place)
    listed = place.path(made) / "SHA256SUMS"
    whole = listed.read_bytes()
    listed.unlink()
    assert place.run("verify", made.id).returncode == errors.Corrupt.exit_code
    listed.write_bytes(whole)
    assert place.run("verify", made.id).returncode == 0
    assert place.newest().is_available
    assert file_list.text(files_of(place, place.newest())) == whole
