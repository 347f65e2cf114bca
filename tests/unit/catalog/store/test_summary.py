"""A headline says what the record says, and leaves judging to the codec."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import attempt, codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_catalog.store import summary
from tests.support import factories
from tests.support.factories import NOW

LOST = VanishedTable(table="b", rows_before=8, rows=0)
RICH = factories.backup(
    1, NOW, message='said\n  "status": "failed",\n', reason=Reason.TOOL, size_bytes=7, duration_seconds=1.5,
    row_counts={'"public"."status": ': 3},
    vanished=(VanishedTable(table='"a".\n  ]"', rows_before=9, rows=None), LOST),
    acknowledged=Acknowledgement(at=NOW, operator="ops", note='"vanished": [\n  ]'),
    files=(StoredFile(path='"id": ', size_bytes=1, sha256="0" * 64),),
)  # fmt: skip


def parse(folder: Path, content: bytes) -> summary.BackupSummary:
    path = folder / "record.json"
    path.write_bytes(content)
    return summary.parse(path)


def assert_same(found: summary.BackupSummary, record: Backup) -> None:
    for name in summary._TYPES:
        expected = getattr(record, name)
        assert getattr(found, name) == (expected if name != "expired_at" else found.expired_at)
    assert (found.expired_at is None) is (record.expired_at is None)
    assert found.vanished == tuple((each.table, each.rows_before, each.rows) for each in record.vanished)
    assert found.is_acknowledged is (record.acknowledged is not None)


def test_the_version_is_the_records() -> None:
    assert attempt.RECORD_VERSION == summary._VERSION


@given(
    message=st.text(),
    database=st.text(),
    status=st.sampled_from(Status),
    reason=st.none() | st.sampled_from(Reason),
    expired=st.booleans(),
    finished=st.booleans(),
    tables=st.dictionaries(st.text(), st.integers(0, 2**63 - 1)),
)
def test_whatever_stands_in_a_record(tmp_path_factory: Any, **drawn: Any) -> None:
    record = factories.backup(
        1, NOW, message=drawn["message"], database=drawn["database"], status=drawn["status"],
        reason=drawn["reason"], row_counts=drawn["tables"], expired_at=NOW if drawn["expired"] else None,
    )  # fmt: skip
    record = record if drawn["finished"] else record.evolve(finished_at=None)
    found = parse(tmp_path_factory.getbasetemp(), codec.encode(record))
    assert_same(found, record)


@pytest.mark.parametrize("indent", [None, 2, 4], ids=["one line", "as jq", "wider"])
def test_other_indentation_is_read_too(tmp_path: Path, indent: int | None) -> None:
    content = json.dumps(json.loads(codec.encode(RICH)), indent=indent).encode()
    assert_same(parse(tmp_path, content), RICH)


def test_a_time_in_another_zone(tmp_path: Path) -> None:
    content = codec.encode(RICH).replace(b"2026-11-22T12:00:00.000Z", b"2026-11-22T14:00:00.000+02:00")
    assert_same(parse(tmp_path, content), RICH)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"garbage",
        b"\xff\xfe",
        codec.encode(RICH)[:-200],
        codec.encode(RICH).replace(b'"succeeded"', b"7"),
        codec.encode(RICH).replace(b"2026-11-22T12:00:00.000Z", b"2026-11-22T12:00:00"),
        codec.encode(RICH).replace(b'"kind": "backup"', b'"kind": "copy"'),
    ],
)
def test_garbage_is_what_the_codec_says_it_is(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(errors.CatalogError) as wanted:
        codec.decode(Backup, content, where=str(tmp_path / "record.json"))
    with pytest.raises(errors.CatalogError) as found:
        parse(tmp_path, content)
    assert str(found.value) == str(wanted.value)


def test_a_newer_record_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.NewerRecord):
        parse(tmp_path, codec.encode(RICH).replace(b'"record_version": 1', b'"record_version": 2'))


def test_reading_passes_over_what_is_gone_and_reports_what_is_garbage(tmp_path: Path) -> None:
    good, bad, gone = (tmp_path / name for name in ("good.json", "bad.json", "gone.json"))
    good.write_bytes(codec.encode(RICH))
    bad.write_text("garbage")
    heard: list[errors.CatalogError] = []
    assert [each.id for each in summary.read([good, bad, gone], heard.append)] == [RICH.id]
    assert str(bad) in str(heard[0])
    assert not list(summary.read([tmp_path], heard.append))
    assert "it is a folder" in str(heard[1])
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        list(summary.read([good / "below a file"], heard.append))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "available"),
        ({"expired_at": NOW}, "expired"),
        ({"status": Status.FAILED}, "failed"),
    ],
)
def test_the_state(tmp_path: Path, changes: dict[str, Any], state: str) -> None:
    assert parse(tmp_path, codec.encode(RICH.evolve(**changes))).state == state


def test_a_record_of_before_these_fields_is_read(tmp_path: Path) -> None:
    document = json.loads(codec.encode(factories.backup(1, NOW)))
    del document["vanished"], document["acknowledged"]
    content = json.dumps(document, indent=2).encode() + b"\n"
    assert_same(parse(tmp_path, content), codec.decode(Backup, content, where="here"))
