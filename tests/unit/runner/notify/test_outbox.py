"""Events wait in the order in which they happened, and none is lost by what lies beside them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_runner.notify import events
from pgbackstop_runner.notify.outbox import Outbox
from tests.support import storages

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(storages.catalog(tmp_path / "catalog").root / "outbox")


def test_one_that_was_never_used_is_empty(outbox: Outbox) -> None:
    assert (outbox.entries(), outbox.rejected(), outbox.failures()) == ([], 0, {})
    assert not outbox.folder.exists()


@settings(max_examples=20)
@given(pauses=st.lists(st.integers(0, 3), max_size=8))
def test_they_wait_in_the_order_in_which_they_happened(
    pauses: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A pause of 0 is a second event at the very same moment."""
    outbox = Outbox(storages.catalog(tmp_path_factory.mktemp("catalog")).root / "outbox")
    moments = [NOW + timedelta(seconds=sum(pauses[: number + 1])) for number in range(len(pauses))]
    put = [events.of_test(moment).evolve(summary=str(number)) for number, moment in enumerate(moments)]
    for event, moment in zip(put, moments, strict=True):
        outbox.put(event, moment)
    read = [outbox.read(entry) for entry in outbox.entries()]
    assert len(read) == len(put)
    assert {event.summary for event in read} == {event.summary for event in put}
    assert [event.starts_at for event in read] == moments


def test_what_lies_beside_them_is_no_event(outbox: Outbox) -> None:
    outbox.put(events.of_test(NOW), NOW)
    outbox.count_failure("alertmanager")
    (outbox.folder / ".20261122T020000Z-00000000.json").write_text("{}")  # an unfinished write
    (outbox.folder / "README").touch()
    (entry,) = outbox.entries()
    outbox.remove(entry)
    outbox.remove(entry)  # another process was faster
    assert outbox.entries() == []


def test_what_was_refused_for_good_is_kept_for_a_person(outbox: Outbox) -> None:
    outbox.put(events.of_test(NOW), NOW)
    (entry,) = outbox.entries()
    outbox.reject(entry)
    assert (outbox.entries(), outbox.rejected()) == ([], 1)
    assert outbox.read(outbox.folder / "rejected" / entry.name) == events.of_test(NOW)


@pytest.mark.parametrize("content", [b"", b"{", b'{"kind": "test"}', b"\xff"])
def test_what_is_no_event_is_named(outbox: Outbox, content: bytes) -> None:
    outbox.folder.mkdir(parents=True)
    entry = outbox.folder / "20261122T020000Z-00000000.json"
    entry.write_bytes(content)
    with pytest.raises(errors.CatalogError, match=entry.name):
        outbox.read(entry)


def test_failures_are_counted_by_channel(outbox: Outbox) -> None:
    outbox.put(events.of_test(NOW), NOW)
    for channel in ("alertmanager", "watchdog", "alertmanager"):
        outbox.count_failure(channel)
    assert Outbox(outbox.folder).failures() == {"alertmanager": 2, "watchdog": 1}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"failures": 3}', '{"failures": {"alertmanager": "x"}}']
)
def test_a_damaged_count_begins_anew(outbox: Outbox, content: str) -> None:
    outbox.folder.mkdir(parents=True)
    (outbox.folder / "tally.state").write_text(content)
    assert outbox.failures() == {}
    outbox.count_failure("alertmanager")
    assert outbox.failures() == {"alertmanager": 1}


def test_a_folder_that_is_none_is_said_in_a_sentence(tmp_path: Path) -> None:
    storages.catalog(tmp_path)
    (tmp_path / "outbox").touch()
    outbox = Outbox(tmp_path / "outbox")
    for look in (outbox.entries, outbox.rejected, outbox.failures):
        with pytest.raises(errors.CatalogError, match=f"cannot be read: {tmp_path}"):
            look()
    with pytest.raises(errors.CatalogError, match="cannot be written"):
        outbox.put(events.of_test(NOW), NOW)
