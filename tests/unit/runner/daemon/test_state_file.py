"""What the daemon knows after a restart, a reload, and the loss of its file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.records.scheduler import Counted
from pgbackstop_runner.daemon import state_file
from pgbackstop_runner.daemon.state_file import SchedulerFacts
from pgbackstop_runner.system.state_folder import StateFolder
from tests.support import storages
from tests.support.factories import at

NOTHING = SchedulerFacts(first_seen={}, counted={})
NIGHTLY = "0 2 * * * UTC"


def _config(**plan: Any) -> Config:
    return Config.model_validate(
        {
            "servers": {"main": {}},
            "storages": {"disk": {"kind": "folder", "path": "/nowhere"}},
            "plans": {"shop": {"server": "main", "backup_type": "logical", **plan}},
        }
    )


def _known(first_seen: datetime, since: datetime, schedule: str = NIGHTLY) -> SchedulerFacts:
    return SchedulerFacts(
        first_seen={"shop": first_seen}, counted={"shop": Counted(schedule=schedule, since=since)}
    )


@pytest.fixture(autouse=True)
def _catalog(tmp_path: Path) -> None:
    storages.catalog(tmp_path)


def test_a_new_plan_counts_from_now() -> None:
    assert state_file.recall(_config(), NOTHING, now=at(5)) == _known(at(5), at(5))


def test_a_known_plan_goes_on() -> None:
    before = _known(at(1), at(2))
    assert state_file.recall(_config(), before, now=at(5), newest_due={"shop": at(4)}) == before


def test_another_schedule_counts_from_now() -> None:
    before = _known(at(1), at(2))
    for change in ({"schedule": "0 * * * *"}, {"timezone": "Europe/Berlin"}):
        after = state_file.recall(_config(**change), before, now=at(5))
        assert after.first_seen == before.first_seen
        assert after.counted["shop"].since == at(5)


def test_a_paused_plan_is_not_counted_and_counts_anew_when_resumed() -> None:
    paused = state_file.recall(_config(enabled=False), _known(at(1), at(2)), now=at(5))
    assert paused == SchedulerFacts(first_seen={"shop": at(1)}, counted={})
    resumed = state_file.recall(_config(), paused, now=at(7), newest_due={"shop": at(4)})
    assert resumed == _known(at(1), at(7))


def test_where_the_file_was_lost_the_records_stand_in() -> None:
    assert state_file.recall(_config(), NOTHING, now=at(5), newest_due={"shop": at(2)}) == _known(
        at(2), at(2)
    )


def test_a_plan_that_is_gone_is_forgotten() -> None:
    before = SchedulerFacts(first_seen={"gone": at(1), "shop": at(1)}, counted={})
    assert set(state_file.recall(_config(), before, now=at(5)).first_seen) == {"shop"}


def test_times_of_a_clock_that_was_wrong_are_not_believed() -> None:
    day, years = timedelta(days=1), timedelta(days=3650)
    assert state_file.believed(_known(at(5) + years, at(5) + years), at(5)) == _known(at(5), at(5))
    assert state_file.believed(_known(at(1), at(5) + day), at(5)) == _known(at(1), at(5) + day)


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, durable: bool) -> None:
    known = _known(at(1), at(2))
    assert state_file.load(StateFolder(tmp_path)) == NOTHING
    state = state_file.state(known, {"shop": at(6)}, started_at=at(1), now=at(5))
    state_file.save(StateFolder(tmp_path), state, durable=durable)
    assert state_file.load(StateFolder(tmp_path)) == known


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"kind": "scheduler"}'])
def test_a_damaged_file_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path = StateFolder(tmp_path).scheduler
    path.parent.mkdir()
    path.write_bytes(content)
    assert state_file.load(StateFolder(tmp_path)) == NOTHING


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = StateFolder(tmp_path).scheduler
    path.parent.mkdir()
    path.write_text('{"record_version": 2}')
    with pytest.raises(errors.NewerRecord):
        state_file.load(StateFolder(tmp_path))


def test_a_catalog_in_trouble_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")  # a file, no folder
    state = state_file.state(NOTHING, {}, started_at=at(1), now=at(5))
    with pytest.raises(errors.CatalogError, match="cannot be written"):
        state_file.save(StateFolder(tmp_path), state, durable=True)
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        state_file.load(StateFolder(tmp_path))
