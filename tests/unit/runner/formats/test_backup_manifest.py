"""The backup manifest: read, and checked by its own checksum."""

import hashlib
import json
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import backup_manifest

FILES = [{"Path": "PG_VERSION", "Size": 3}, {"Path": "base/1/1259", "Size": 8192}]
# Of a standby that followed a promotion meanwhile. AddWALInfoToBackupManifest of PostgreSQL goes through the
# timeline's history, whose newest timeline is its first.
RANGES = [
    {"Timeline": 2, "Start-LSN": "0/3000000", "End-LSN": "0/3000100"},
    {"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/3000000"},
]


def write(folder: Path, ranges: object = RANGES, *, checksum: str | None = None) -> None:
    """As the server writes it: the checksum is over all lines before its own."""
    head = f'{{ "Files": {json.dumps(FILES)},\n"WAL-Ranges": {json.dumps(ranges)},\n'
    digest = checksum or hashlib.sha256(head.encode()).hexdigest()
    (folder / backup_manifest.NAME).write_text(f'{head}"Manifest-Checksum": "{digest}"}}\n')


def test_read(tmp_path: Path) -> None:
    write(tmp_path)
    found = backup_manifest.read(tmp_path)
    assert (found.timeline, found.start_lsn, found.stop_lsn) == (2, "0/2000028", "0/3000100")
    assert (found.files, found.data_bytes) == (2, 8195)


def test_changed(tmp_path: Path) -> None:
    write(tmp_path, checksum="0" * 64)
    with pytest.raises(AttemptFailed, match="does not match its own checksum") as caught:
        backup_manifest.read(tmp_path)
    assert caught.value.reason is Reason.CORRUPT


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"WAL-Ranges": [], "Files": []}'])
def test_not_readable(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / backup_manifest.NAME).write_text(content)
    with pytest.raises(AttemptFailed, match="no readable backup_manifest") as caught:
        backup_manifest.read(tmp_path)
    assert caught.value.reason is Reason.INCOMPLETE
