"""Records are written and read strictly, and come back the same."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import begun_at, new_id
from pgbackstop_catalog.records.totals import Totals
from tests.support import factories
from tests.support.factories import NOW

GOOD = factories.backup(1, NOW, row_counts={"a": 1}, message="ü\n")
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - UTC comes next
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


@given(
    moment=moments,
    message=st.text(),
    database=st.text(),
    counts=st.none() | st.dictionaries(st.text(), st.integers(0, 2**60)),
    reason=st.none() | st.sampled_from(Reason),
    status=st.sampled_from(Status),
)
def test_what_is_written_is_read_back(moment: datetime, counts: Any, **drawn: Any) -> None:
    record = factories.backup(1, moment, row_counts=counts, **drawn)
    content = codec.encode(record)
    assert codec.decode(Backup, content, where="here") == record
    assert content.endswith(b"\n")
    assert json.loads(content)["finished_at"] == format_time(moment)


def test_times_are_utc_whatever_zone_they_came_in() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    assert b"2026-11-22T12:00:00.000Z" in codec.encode(GOOD.evolve(started_at=berlin))
    with pytest.raises(ValidationError):
        GOOD.evolve(started_at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": "../x"}, "id"),
        ({"id": "20261122T020000Z-5f3a9c\n"}, "id"),
        ({"plan": "a/b"}, "plan"),
        ({"server": ".."}, "server"),
        ({"storage": "/"}, "storage"),
        ({"location": "../x"}, "location"),
        ({"location": "/x"}, "location"),
        ({"location": "a\0b"}, "location"),
        ({"location": ""}, "location"),
        ({"start_lsn": "0x1"}, "start_lsn"),
        ({"status": "fine"}, "status"),
        ({"surprise": 1}, "surprise"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"files": [{"path": "../x", "size_bytes": 1, "sha256": "0" * 64}]}, "files.0.path"),
        ({"files": [{"path": "x", "size_bytes": -1, "sha256": "0" * 64}]}, "files.0.size_bytes"),
        ({"files": [{"path": "x", "size_bytes": 1, "sha256": "0"}]}, "files.0.sha256"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(change: dict[str, Any], place: str) -> None:
    content = json.dumps({**json.loads(codec.encode(GOOD)), **change}).encode()
    with pytest.raises(errors.CatalogError, match=rf"^here is no record of pgbackstop \({place}: "):
        codec.decode(Backup, content, where="here")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'"text"', b"{}"])
def test_garbage_is_one_sentence(content: bytes) -> None:
    with pytest.raises(errors.CatalogError, match=r"^here is no record of pgbackstop"):
        codec.decode(Backup, content, where="here")


def test_a_newer_record_is_told_from_garbage() -> None:
    newer = json.dumps({**json.loads(codec.encode(GOOD)), "record_version": 2, "more": 1}).encode()
    with pytest.raises(errors.NewerRecord, match="written by a newer pgbackstop"):
        codec.decode(Backup, newer, where="here")


def test_another_kind_is_none() -> None:
    with pytest.raises(errors.CatalogError):
        codec.decode(Backup, codec.encode(Totals(plan="a")), where="here")


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError):
        GOOD.message = "other"  # type: ignore[misc]  # that is what is tested
    assert GOOD.evolve(message="other").message == "other"
    with pytest.raises(ValidationError):
        GOOD.evolve(unknown=1)


@given(st.lists(moments, min_size=2, max_size=9))
def test_ids_sort_by_time(times: list[datetime]) -> None:
    parts = sorted({moment.replace(microsecond=moment.microsecond >> 4 << 4) for moment in times})
    ids = [new_id(moment) for moment in parts]
    assert ids == sorted(ids)


def test_no_two_ids_of_one_moment_are_the_same() -> None:
    """Every plan that missed its time is recorded at one moment, and every notice of it kept under an id."""
    moment = datetime(2026, 11, 22, 2, tzinfo=UTC)
    ids = [new_id(moment) for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    assert GOOD.evolve(id=ids[0]).id == ids[0]


def test_an_id_of_before_there_were_eight_digits_is_one() -> None:
    assert GOOD.evolve(id="20261122T020000Z-5f3a9c").id == "20261122T020000Z-5f3a9c"


@given(moments)
def test_an_id_tells_when_the_backup_began(moment: datetime) -> None:
    """Not only the second: what began in the second in which a storage was replaced is in the new one."""
    assert timedelta(0) <= moment - begun_at(new_id(moment)) < timedelta(microseconds=16)
