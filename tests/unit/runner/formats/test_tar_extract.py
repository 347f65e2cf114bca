"""Tar files as folders: what GNU tar makes of them, or a refusal."""

import gzip
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.formats import tar_extract
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import streams
from tests.support import factories, places

PACK: dict[str, Callable[[bytes], bytes]] = {".zst": zstandard.compress, ".gz": gzip.compress, "": bytes}


def packed(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def stored(folder: Path, content: bytes, suffix: str) -> StoredFile:
    path = folder / f"base.tar{suffix}"
    path.write_bytes(PACK[suffix](content))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return StoredFile(path=path.name, size_bytes=path.stat().st_size, sha256=digest)


def source(folder: Path) -> StoredBackup:
    return StoredBackup(backup=factories.backup(1, factories.NOW), folder=folder)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([0, 1, 511, 512, 513, streams.CHUNK - 512, streams.CHUNK, streams.CHUNK + 1])),
    st.sampled_from(sorted(PACK)),
)
def test_as_tar_does(sizes: list[int], suffix: str) -> None:
    files = {f"f{number}": bytes([65 + number % 20]) * size for number, size in enumerate(sizes)}
    folder = places.make()
    try:
        target, theirs = folder / "ours", folder / "theirs"
        target.mkdir()
        theirs.mkdir()
        content = packed(files)
        tar_extract.tar(source(folder), stored(folder, content, suffix), target)
        subprocess.run(["tar", "-xf", "-", "-C", theirs], input=content, check=True)
        assert tree(target) == tree(theirs) == files
    finally:
        places.remove(folder)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("left", [0, 100, 700, 40_000, 100_300])
def test_what_is_cut_off_is_damaged(tmp_path: Path, suffix: str, left: int) -> None:
    """Also where the record has the hash of the damaged bytes: then the tar file itself tells."""
    target = tmp_path / "target"
    target.mkdir()
    content = packed({"a": b"a" * 30_000, "b": b"b" * 70_000})
    with pytest.raises(errors.CatalogError, match="is damaged"):
        tar_extract.tar(source(tmp_path), stored(tmp_path, content[:left], suffix), target)


@pytest.mark.parametrize("suffix", PACK)
def test_bytes_behind_the_end_count(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    record = stored(tmp_path, packed({"a": b"a"}), suffix)
    path = tmp_path / record.path
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(errors.CatalogError, match="is damaged"):
        tar_extract.tar(source(tmp_path), record, target)


def test_no_more_is_unpacked_than_there_is_room_for() -> None:
    """A few bytes of a compressed archive can hold the zeros that fill a disk."""
    folder = places.make()
    try:
        small = stored(folder, packed({"a": bytes(1 << 20), "b": bytes(64 << 20)}), ".zst")
        assert small.size_bytes < 1 << 20
        target = folder / "target"
        target.mkdir()
        with pytest.raises(errors.CatalogError, match="more in it than the backup's manifest lists"):
            tar_extract.tar(source(folder), small, target, room=32 << 20)
        assert sum(path.stat().st_size for path in target.iterdir()) <= 32 << 20
        tar_extract.tar(source(folder), small, _empty(folder), room=65 << 20)
    finally:
        places.remove(folder)


def _empty(folder: Path) -> Path:
    made = folder / "another"
    made.mkdir()
    return made


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("name")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


LONG, PAX = tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE
HEADERS = {
    "names in each other": [header(LONG, 512) + b"n".ljust(512, b"\0")] * 3000,
    "attributes in each other": [header(PAX, 512) + b"12 path=abc\n".ljust(512, b"\0")] * 3000,
    "a name larger than memory": [header(LONG, 1 << 40)],
    "attributes larger than memory": [header(PAX, 1 << 40)],
    "attributes of all entries": [header(tarfile.XGLTYPE, 512) + b"14 size=1e999\n".ljust(512, b"\0")],
    "a file with holes": [header(tarfile.GNUTYPE_SPARSE, 1 << 40)],
    "a size below zero": [header(tarfile.REGTYPE, -1), header(tarfile.REGTYPE, 1 << 21) + bytes(1 << 21)],
    "a pipe": [header(tarfile.FIFOTYPE, 0)],
    "another name of a file": [header(tarfile.LNKTYPE, 0)],
    "a kind that nobody knows": [header(b"~", 1 << 40)],
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers_that_pg_basebackup_never_writes(tmp_path: Path, what: str) -> None:
    """They cost neither memory nor a way out of the program."""
    target = tmp_path / "target"
    target.mkdir()
    content = b"".join([*HEADERS[what], header(tarfile.REGTYPE, 0), bytes(1024)])
    with pytest.raises(errors.CatalogError):
        tar_extract.tar(source(tmp_path), stored(tmp_path, content, ".gz"), target, room=1 << 20)
    assert tree(target) == {}


def test_a_whole_file_system_is_made_durable(tmp_path: Path) -> None:
    """Commands that tests fork leave it out: tests/support/forks.py."""
    tar_extract.sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        tar_extract.sync(tmp_path / "absent")
