"""Drills prove copies: the one that is asked for, or the nearest that is whole."""

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.restore.select_backup import BackupQuery
from tests.integration.copies.conftest import place
from tests.integration.copies.lost_host import Archived
from tests.integration.copies.test_reading import Copied, copied, folder_storage
from tests.integration.drill.conftest import drills, remains
from tests.integration.restore import places as restores
from tests.integration.restore.test_damaged import flip
from tests.support import keys, places
from tests.support.backups import Site
from tests.support.databases import Database


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's account can enter."""
    made = places.make()
    made.chmod(0o755)
    yield made
    places.remove(made)


@pytest.fixture(params=["folder", "encrypted-s3"])
def logical(request: pytest.FixtureRequest, database: Database, folder: Path) -> Copied:
    """A dump, and its copy in the storage "remote"."""
    remote = folder_storage(folder / "remote")
    if request.param == "encrypted-s3":
        endpoint = request.getfixturevalue("endpoint")
        remote = place(endpoint, folder, "drill-logical").model_dump(mode="json")
        remote["encryption"] = keys.generated(folder / "keys").settings()
    return copied(folder, database, {"remote": remote})


def drilled(site: Site, *words: str, code: int = 0) -> Proof:
    """The proof of a drill that ends with that exit code."""
    done = site.run("drill", *words)
    assert done.returncode == code, done.stderr
    assert remains(site) == []
    return drills(site)[0]


def test_a_dump_is_drilled_from_its_copy(logical: Copied) -> None:
    own = drilled(logical.site, "shop")
    assert (own.copy_in, own.source_reason) == (None, "the nearest")
    shutil.rmtree(logical.site.path(logical.backup))
    proof = drilled(logical.site, "shop", "--storage", "remote")
    assert (proof.status, proof.copy_in, proof.source_reason) == (Status.SUCCEEDED, "remote", "as asked for")
    assert "logical drill of the copy in remote" in logical.site.run("show", logical.backup.id).stdout
    assert "remote" in logical.site.run("list", "--drills").stdout
    other = drilled(logical.site, logical.backup.id)
    assert other.copy_in == "remote"
    assert "local: " in other.source_reason


def test_a_damaged_copy_fails_the_drill_that_was_to_prove_it(database: Database, folder: Path) -> None:
    found = copied(folder, database, {"remote": folder_storage(folder / "remote")})
    found.flip_copy(folder / "remote")
    proof = drilled(found.site, "shop", "--storage", "remote", code=errors.Corrupt.exit_code)
    assert (proof.status, proof.reason, proof.copy_in) == (Status.FAILED, Reason.CORRUPT, "remote")
    assert "damaged" in proof.message
    (folder / "remote").rename(folder / "away")
    away = found.site.run("drill", "shop", "--storage", "remote")
    assert away.returncode != 0
    assert drills(found.site)[0].copy_in == "remote"
    assert found.site.run("drill", "shop", "--storage", "elsewhere").returncode == 7
    assert drilled(found.site, "shop").copy_in is None


def test_the_backup_and_its_copies_take_turns(database: Database, folder: Path) -> None:
    more = {"remote": folder_storage(folder / "remote")}
    found = copied(folder, database, more, drill={"copies_in_turn": True})
    assert [drilled(found.site, "shop").copy_in for _ in range(3)] == [None, "remote", None]
    assert drills(found.site)[1].source_reason == "it was its turn"


@pytest.mark.parametrize("kind", ["--physical", "--pitr"])
def test_a_server_is_drilled_from_a_storage_alone(archived: Archived, kind: str) -> None:
    site = archived.site
    base = archived.base()
    base.rename(base.with_name("aside"))
    try:
        proof = drilled(site, "main", kind, "--storage", "s3")
    finally:
        base.with_name("aside").rename(base)
    assert (proof.status, proof.copy_in, proof.source_reason) == (Status.SUCCEEDED, "s3", "as asked for")
    told = json.loads(site.run("window", "--json").stdout)
    by_storage = {each["storage"]: each["proven_by"] for each in told}
    assert by_storage["s3"] is not None
    assert by_storage["local"] is None


def test_a_damaged_base_backup_is_passed_over(archived: Archived) -> None:
    flip(archived.base())
    try:
        proof = drilled(archived.site, "main", "--physical")
    finally:
        flip(archived.base())
    assert (proof.copy_in, proof.status) == ("s3", Status.SUCCEEDED)
    assert "local: " in proof.source_reason
    assert "damaged" in proof.source_reason
    own = drilled(archived.site, "main", "--physical")
    assert (own.copy_in, own.source_reason) == (None, "the nearest")


@contextlib.contextmanager
def unreplayable(archived: Archived) -> Iterator[None]:
    """A segment that has the hash of the index, and no record for PostgreSQL: archived as it is."""
    segment, index = archived.segments()[-2], archived.host.primary.archive / wal_segments.INDEX_NAME
    stored, lines = segment.read_bytes(), index.read_text()
    zeros = bytes(wal_segments.DEFAULT_SEGMENT_BYTES)
    empty = subprocess.run(["lz4", "-q", "-c"], input=zeros, capture_output=True, check=True).stdout
    (line,) = (each for each in lines.splitlines() if json.loads(each)["name"] == segment.stem)
    digest = {"size_bytes": len(empty), "sha256": hashlib.sha256(empty).hexdigest()}
    segment.write_bytes(empty)
    index.write_text(lines.replace(line, json.dumps(json.loads(line) | digest)))
    try:
        yield
    finally:
        segment.write_bytes(stored)
        index.write_text(lines)


def test_a_replay_that_fails_is_told_as_it_is_and_no_other_source_is_tried(archived: Archived) -> None:
    with unreplayable(archived):
        proof = drilled(archived.site, "main", "--physical", code=errors.PgbackstopError.exit_code)
    assert (proof.status, proof.reason, proof.copy_in) == (Status.FAILED, Reason.CORRUPT, None)
    assert "The replay ended at" in proof.message
    assert "not empty" not in proof.message


def test_what_has_left_the_host_and_is_in_the_bucket_is_still_there(
    database: Database, endpoint: str, folder: Path
) -> None:
    bucket = place(endpoint, folder, "reading-outlived").model_dump(mode="json")
    keeping = {"remote": {**bucket, "keep": {"last": 5}}}
    found = copied(folder, database, keeping, keep={"last": 1, "minimum": 1}, drill={"enabled": False})
    rows = database.row_counts()["orders"]
    site, old = found.site, found.backup
    new = site.made("shop")
    assert not site.path(old).exists()
    listed = [line.split() for line in site.run("list").stdout.splitlines() if line.startswith(old.id)]
    assert {"expired", "remote"} <= set(listed[0])
    assert ", kept in remote" in site.run("show", old.id).stdout
    told = json.loads(site.run("expire", "--dry-run", "--json").stdout)
    assert {(each["id"], each["storage"]) for each in told if each["kept"]} == {
        (new.id, "local"),
        (new.id, "remote"),
        (old.id, "remote"),
    }
    verified = site.run("verify", "shop", "--all", "--storage", "remote")
    assert verified.returncode == 0, verified.stderr
    drilled = site.run("drill", old.id)
    assert drilled.returncode == 0, drilled.stderr
    done = restores.restore(site, wanted=BackupQuery(backup=old.id), into="again")
    assert (done.copy_in, done.warnings) == ("remote", ("local: it has expired there.",))
    ((count,),) = database.server.execute("select count(*)::int from orders", "again")
    assert count == rows
    database.server.execute("drop database again with (force)")
