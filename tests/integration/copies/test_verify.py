"""Copies are read back, every byte; a damaged one condemns itself, and is made again."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import file_list
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from tests.integration.copies.conftest import place
from tests.integration.copies.test_reading import Copied, copied, folder_storage
from tests.integration.restore import places as restores
from tests.support import backups, keys
from tests.support.databases import Database

KINDS = ("folder", "s3", "encrypted", "encrypted-s3")


def remote(kind: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A storage of that kind."""
    found = folder_storage(folder / "remote")
    if kind.endswith("s3"):
        found = place(request.getfixturevalue("endpoint"), folder, f"verify-{kind}").model_dump(mode="json")
    if kind.startswith("encrypted"):
        found["encryption"] = keys.generated(folder / "keys").settings()
    return found


def copy_of(found: Copied) -> Copy:
    (copy,) = found.site.catalog.copies("shop")
    return copy


def proof_of(found: Copied) -> Proof:
    """The newest proof of the copy."""
    return next(each for each in found.site.proofs() if each.copy_in == "remote")


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_read_back_and_neither_original_nor_record_of_it_changes(
    kind: str, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = copied(tmp_path, database, {"remote": remote(kind, tmp_path, request)}, verify=False)
    shutil.rmtree(found.site.path(found.backup))
    done = found.site.run("verify", found.backup.id, "--storage", "remote")
    assert done.returncode == 0, done.stderr
    assert f"sha256 of {len(found.backup.files)} files in remote" in done.stdout
    proof = proof_of(found)
    assert (proof.status, proof.read_bytes) == (
        Status.SUCCEEDED,
        sum(each.size_bytes for each in found.backup.files),
    )
    assert copy_of(found).verified_at is not None
    assert found.site.newest().verified_at is None
    shown = found.site.run("show", found.backup.id)
    assert "verify of the copy in remote" in shown.stdout
    assert "read back" in shown.stdout


@pytest.mark.parametrize("kind", ["folder", "encrypted"])
@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_copy_condemns_itself_alone_and_is_made_again(
    kind: str, damage: str, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = copied(tmp_path, database, {"remote": remote(kind, tmp_path, request)})
    if damage == "flipped":
        found.flip_copy(tmp_path / "remote")
    else:
        found.largest_of_copy(tmp_path / "remote").unlink()
    done = found.site.run("verify", "shop", "--storage", "remote")
    assert done.returncode == errors.Corrupt.exit_code, done.stderr
    assert "pgbackstop copy" in backups.sentence(done)
    assert (proof_of(found).status, proof_of(found).reason) == (Status.FAILED, Reason.CORRUPT)
    assert copy_of(found).status is Status.FAILED
    assert copy_of(found).is_damaged
    assert found.site.newest().is_available
    assert found.site.run("verify", "shop").returncode == 0
    assert found.site.run("copy", "shop").returncode == 0
    assert found.site.run("verify", "shop", "--storage", "remote").returncode == 0
    assert copy_of(found).is_available
    assert not copy_of(found).is_damaged


def test_a_damaged_copy_that_was_put_right_is_good_again(database: Database, tmp_path: Path) -> None:
    found = copied(tmp_path, database, {"remote": folder_storage(tmp_path / "remote")})
    for code, status in ((errors.Corrupt.exit_code, Status.FAILED), (0, Status.SUCCEEDED)):
        found.flip_copy(tmp_path / "remote")  # and back
        assert found.site.run("verify", found.backup.id, "--storage", "remote").returncode == code
        assert copy_of(found).status is status


def test_a_copy_that_cannot_be_read_stays_what_it_was(database: Database, tmp_path: Path) -> None:
    own, stranger = keys.generated(tmp_path / "keys"), keys.generated(tmp_path / "others")
    encryption = own.settings(reads=False) | stranger.settings(writes=False)
    closed = folder_storage(tmp_path / "remote", encryption=encryption)
    found = copied(tmp_path, database, {"remote": closed})
    before = copy_of(found)
    for _ in ("the wrong identity", "away"):
        done = found.site.run("verify", found.backup.id, "--storage", "remote")
        assert done.returncode == 1, done.stderr
        assert "not verified" in backups.sentence(done)
        assert copy_of(found) == before
        assert proof_of(found).status is Status.FAILED
        if (tmp_path / "remote").exists():
            (tmp_path / "remote").rename(tmp_path / "away")


def test_without_an_identity_the_encrypted_bytes_are_compared(database: Database, tmp_path: Path) -> None:
    own = keys.generated(tmp_path / "keys")
    sealed = folder_storage(tmp_path / "remote", encryption=own.settings(reads=False))
    found = copied(tmp_path, database, {"remote": sealed})
    assert found.site.run("verify", found.backup.id, "--storage", "remote").returncode == 0
    assert "files as they are encrypted in remote" in str(proof_of(found).tool)
    stored = next((tmp_path / "remote").rglob("*.age"))
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    done = found.site.run("verify", found.backup.id, "--storage", "remote")
    assert done.returncode == errors.Corrupt.exit_code, done.stderr


def test_a_storage_without_a_copy_is_refused(database: Database, tmp_path: Path) -> None:
    found = copied(tmp_path, database, {"remote": folder_storage(tmp_path / "remote")})
    found.site.catalog.put(copy_of(found).evolve(expired_at=found.backup.finished_at))
    for name, words in (("remote", "holds no copy"), ("elsewhere", "no storage")):
        done = found.site.run("verify", "shop", "--storage", name)
        assert done.returncode == errors.NotFound.exit_code
        assert words in backups.sentence(done)
    assert found.site.run("verify", "--due", "--storage", "remote").returncode == 2
    assert [each.copy_in for each in found.site.proofs()] == [None]


@pytest.mark.parametrize("kind", ["folder", "encrypted"])
def test_a_copy_whose_files_are_listed_beside_it_is_read_as_well(
    kind: str,
    database: Database,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_list, "MOST_ON_RECORD", 2)
    found = copied(tmp_path, database, {"remote": remote(kind, tmp_path, request)}, format="directory")
    assert found.backup.file_list is not None
    (found.site.path(found.backup) / "SHA256SUMS").unlink()
    assert found.site.run("verify", found.backup.id, "--storage", "remote").returncode == 0
    assert proof_of(found).read_bytes == found.backup.size_bytes
    done = restores.restore(found.site, into="again")
    assert done.copy_in == "remote"
    assert "SHA256SUMS" in done.warnings[0]
    assert database.server.execute("select count(*) from orders", "again") == [(2000,)]
    database.server.execute("drop database again with (force)")
