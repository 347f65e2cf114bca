"""What a file was read as is kept for as long as it is that file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import listing, summary
from pgbackstop_catalog.store.read_files import ReadFiles
from pgbackstop_catalog.store.summary import BackupSummary
from tests.support import factories


def test_a_page_reads_again_what_has_changed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "backups" / "main-logical"
    folder.mkdir(parents=True)
    records = [factories.backup(number, factories.NOW) for number in (1, 2, 3)]
    for record in records:
        (folder / f"{record.id}.json").write_bytes(codec.encode(record))
    known: ReadFiles[BackupSummary] = ReadFiles(most=10, weigh=lambda _size: 1)
    parsed: list[str] = []
    parse = summary.parse

    def told(path: Path) -> BackupSummary:
        parsed.append(path.stem)
        return parse(path)

    monkeypatch.setattr(summary, "parse", told)
    heard: list[errors.CatalogError] = []

    def page() -> list[str]:
        parsed.clear()
        paths = listing.newest_first(tmp_path, "backups")
        return [each.message for each in summary.read(paths, heard.append, known)]

    assert page() == ["", "", ""]
    assert len(parsed) == 3
    assert page() == ["", "", ""]
    assert parsed == []
    # In its place, as an editor may write it: only the file tells.
    changed = records[1].evolve(message="mended by hand")
    (folder / f"{changed.id}.json").write_bytes(codec.encode(changed))
    assert sorted(page()) == ["", "", "mended by hand"]
    assert parsed == [changed.id]
    (folder / f"{changed.id}.json").write_text("{")
    assert page() == ["", ""]
    assert len(heard) == 1
    (folder / f"{changed.id}.json").unlink()
    assert page() == ["", ""]
    assert len(heard) == 1


def test_no_more_is_kept_than_is_said(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(4)]
    for path in paths:
        path.write_text(path.name)
    files: ReadFiles[object] = ReadFiles(most=2, weigh=lambda _size: 1)
    first = [files.read(path, lambda _path: object()) for path in paths]
    again = [files.read(path, lambda _path: object()) for path in reversed(paths)]
    assert [one is other for one, other in zip(reversed(first), again, strict=True)] == [
        True,
        True,
        False,
        False,
    ]
