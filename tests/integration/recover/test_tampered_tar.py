"""A tar file of a backup that somebody has tampered with."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from pgbackstop_catalog.records.backup import Backup, StoredFile
from tests.integration.recover.primary import Primary
from tests.support import backups


def tampered(record: Backup, folder: Path, entry: tarfile.TarInfo) -> Backup:
    """The same backup with one more entry in its tar file; the hash on record goes along."""
    path = folder / "base.tar.zst"
    plain = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    buffer = io.BytesIO(plain)
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        archive.addfile(entry, io.BytesIO(b"x" * entry.size))
    content = zstandard.compress(buffer.getvalue())
    path.write_bytes(content)
    changed = StoredFile(path=path.name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    files = tuple(changed if each.path == path.name else each for each in record.files)
    return record.evolve(files=files)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, 3 if kind == tarfile.REGTYPE else 0
    return made


OUTSIDE = Path("/var/pgbs-tampered")
ENTRIES = {
    "absolute": entry(str(OUTSIDE)),
    "above": entry("../pgbs-tampered"),
    "deep above": entry("base/../../pgbs-tampered"),
    "device": entry("null", tarfile.CHRTYPE),
    "pipe": entry("pipe", tarfile.FIFOTYPE),
    "hard link": entry("copy", tarfile.LNKTYPE, "/etc/passwd"),
    "soft link": entry("global/copy", tarfile.SYMTYPE, "/etc/passwd"),
    "twice": entry("PG_VERSION"),
    "no folder": entry("nowhere/file"),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_tampered_tar_file_leaves_nothing(history17: Primary, kind: str) -> None:
    newest = history17.site.newest()
    path = history17.site.path(newest) / "base.tar.zst"
    before = path.read_bytes()
    place = history17.target()
    try:
        history17.site.catalog.put(tampered(newest, path.parent, ENTRIES[kind]))
        done = history17.recover(place)
    finally:
        history17.site.catalog.put(newest)
        path.write_bytes(before)
    assert done.returncode == 5
    words = backups.sentence(done)
    assert "has an entry" in words
    assert "Do not use this backup" in words
    assert not place.exists()
    assert not list(place.parent.glob("**/pgbs-tampered"))
    assert not OUTSIDE.exists()
