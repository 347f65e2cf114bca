"""Reading the index: fast, again only what is new, and whatever a crash left."""

import json
import os
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_segments import Segment, WalSegment
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.store.wal_index import Index


def line(number: int, size: int = 10, **more: object) -> bytes:
    name = Segment(timeline=1, number=number).name()
    segment = WalSegment(
        name=name,
        path=f"{name[:16]}/{name}.lz4",
        size_bytes=size,
        sha256="0" * 64,
        archived_at=utc_now(),
        **more,  # type: ignore[arg-type]
    )
    return segment.model_dump_json(exclude_none=True).encode() + b"\n"


def test_no_index_is_an_empty_one(tmp_path: Path) -> None:
    assert dict(Index(tmp_path).refresh()) == {}


def test_what_is_appended_is_read_later(tmp_path: Path) -> None:
    path, index = tmp_path / "index.jsonl", Index(tmp_path)
    moment = utc_now()
    path.write_bytes(line(1) + line(2, covers_until=moment))
    assert len(index.refresh()) == 2
    assert index.total_bytes == 20
    with path.open("ab") as file:
        file.write(line(3) + line(4)[:30])
    entries = list(index.refresh().values())
    assert [entry.name[-1] for entry in entries] == ["1", "2", "3"]
    assert entries[0].covers_until is None
    assert entries[1].covers_until == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    with path.open("ab") as file:
        file.write(line(4)[30:])
    assert len(index.refresh()) == 4
    assert index.bad_lines == 0


def test_the_size_of_an_encrypted_one_is_its_own(tmp_path: Path) -> None:
    path, index = tmp_path / "index.jsonl", Index(tmp_path)
    path.write_bytes(line(1) + line(2, stored_bytes=250) + line(3).replace(b"}", b',"stored_bytes":"9"}'))
    assert [entry.there_bytes for entry in index.refresh().values()] == [10, 250]
    assert index.bad_lines == 1


def test_the_later_line_of_a_name_counts(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_bytes(line(1, 10) + line(1, 25))
    index = Index(tmp_path)
    assert [entry.size_bytes for entry in index.refresh().values()] == [25]
    assert index.total_bytes == 25


def test_a_rewritten_index_is_read_anew(tmp_path: Path) -> None:
    path, index = tmp_path / "index.jsonl", Index(tmp_path)
    path.write_bytes(line(1) + line(2))
    index.refresh()
    new = tmp_path / "new"
    new.write_bytes(line(2) + line(3) + line(4))
    new.replace(path)
    assert [entry.name[-1] for entry in index.refresh().values()] == ["2", "3", "4"]
    path.unlink()
    assert not index.refresh()


@pytest.mark.parametrize("bad", [b"garbage\n", b"[1]\n", b'{"name": 3}\n', b"null\n", b"{\n"])
def test_garbage_is_counted_and_passed_over(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "index.jsonl").write_bytes(line(1) + bad + line(2))
    index = Index(tmp_path)
    assert len(index.refresh()) == 2
    assert index.bad_lines == 1


def test_keys_of_a_newer_version_do_no_harm(tmp_path: Path) -> None:
    document = json.loads(line(1)) | {"colour": "blue"}
    (tmp_path / "index.jsonl").write_text(json.dumps(document) + "\n")
    assert len(Index(tmp_path).refresh()) == 1


GOOD = json.loads(line(1))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ["a list"]},
        {"name": "../../etc/passwd"},
        {"name": 7},
        {"path": "/etc/passwd"},
        {"path": "a/../../b"},
        {"path": ["a"]},
        {"path": "elsewhere/shop.backup"},
        {"size_bytes": float("inf")},
        {"size_bytes": 10**400},
        {"size_bytes": -1},
        {"size_bytes": True},
        {"sha256": {"a": 1}},
        {"archived_at": "9999-12-31T23:59:59-14:00"},
        {"archived_at": 5},
        {"archived_at": "2026-01-01T00:00:00"},
        {"covers_until": ["a"]},
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_line_of_wrong_types_is_counted_and_nothing_else(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    bad = json.dumps({**GOOD, **changes}).encode() + b"\n"
    (tmp_path / "index.jsonl").write_bytes(line(1) + bad + line(2))
    index = Index(tmp_path)
    assert len(index.refresh()) == 2
    assert (index.bad_lines, index.total_bytes) == (1, 20)


@pytest.mark.parametrize(
    "bad", [b"[" * 60_000, b"7", b"[]", b"null", b"\xff", b'"x"'], ids=lambda each: repr(each[:5])
)
def test_a_line_that_is_no_entry_is_counted_and_nothing_else(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "index.jsonl").write_bytes(line(1) + bad + b"\n" + line(2))
    index = Index(tmp_path)
    assert len(index.refresh()) == 2
    assert index.bad_lines == 1


def test_an_index_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index.jsonl")
    with pytest.raises(OSError, match="no regular file"):
        Index(tmp_path).refresh()
