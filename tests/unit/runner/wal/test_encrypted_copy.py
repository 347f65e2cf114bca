"""WAL on its way to an encrypted storage, from a host that can read it and from one that cannot."""

import copy
import dataclasses
from pathlib import Path

import pytest

from tests.support import keys
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.copying import Copying


@pytest.fixture(params=["writes alone", "reads too"])
def sealed(tmp_path: Path, request: pytest.FixtureRequest) -> Copying:
    """The storage is encrypted; the host that copies has an identity, or has none."""
    own = keys.generated(tmp_path / "keys")
    return Copying(tmp_path, encryption=own.settings(reads=request.param == "reads too"))


def reading(copying: Copying) -> Copying:
    """The same as a host sees it that can restore."""
    own = keys.Keys(copying.folder / "keys" / "identity.txt", copying.folder / "keys" / "recipients.txt")
    encryption = own.encryption(writes=False)
    offsite = copying.workspace.config.storages["offsite"].evolve(encryption=encryption)
    config = copying.workspace.config.evolve(
        storages=copying.workspace.config.storages | {"offsite": offsite}
    )
    found = copy.copy(copying)
    found.workspace = dataclasses.replace(copying.workspace, config=config)
    return found


def test_encrypted_wal_is_sent_once_and_counted(sealed: Copying) -> None:
    sealed.backup(1, 5)
    sealed.archived(*range(1, 9))
    state = sealed.look()
    assert (state.status, state.message, state.segments, state.missing_segments) == ("copying", "", 5, 0)
    assert reading(sealed).there() == [4, 5, 6, 7, 8]
    files = list(sealed.offsite.rglob("*.lz4*"))
    assert all(path.read_bytes().startswith(b"age-encryption.org/") for path in files)
    assert state.stored_bytes == sum(path.stat().st_size for path in files)
    before = {path: path.stat().st_mtime_ns for path in files}
    sealed.archived(9)
    assert sealed.look().segments == 6
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("damage", ["deleted", "cut off"])
def test_encrypted_wal_that_was_lost_is_sent_again(sealed: Copying, damage: str) -> None:
    sealed.backup(1, 1)
    sealed.archived(1, 2, 3)
    sealed.look()
    if damage == "deleted":
        sealed.path(2).unlink()
    else:
        sealed.path(2).write_bytes(sealed.path(2).read_bytes()[:-1])
    state = sealed.look()
    assert (state.status, state.missing_segments, state.conflicts) == ("copying", 0, ())
    assert reading(sealed).there() == [1, 2, 3]


def test_encrypted_wal_without_its_index(sealed: Copying) -> None:
    """A copier was killed before it wrote the line, or somebody deleted the index."""
    sealed.backup(1, 1)
    sealed.archived(1, 2, 3)
    sealed.look()
    for index in sealed.offsite.rglob("index.jsonl"):
        index.unlink()
    state = sealed.look()
    assert (state.status, state.message, state.conflicts) == ("copying", "", ())
    assert reading(sealed).there() == [1, 2, 3]


def test_encrypted_wal_of_another_hash_is_never_replaced(sealed: Copying) -> None:
    sealed.backup(1, 1)
    sealed.archived(1, 2, 3)
    sealed.look()
    theirs = sealed.path(2).read_bytes()
    place = sealed.workspace.wal_archive("main") / makers.name(2)[:16] / f"{makers.name(2)}.lz4"
    index = sealed.workspace.wal_archive("main") / "index.jsonl"
    place.unlink()
    lines = [
        line for line in index.read_bytes().splitlines(keepends=True) if makers.name(2).encode() not in line
    ]
    index.write_bytes(b"".join(lines))
    sealed.archive = makers.opened(sealed.workspace.wal_archive("main"))
    sealed.archived(2, fill=b"y")
    state = sealed.look()
    assert (state.status, state.conflicts) == ("copying", (makers.name(2),))
    assert sealed.path(2).read_bytes() == theirs
