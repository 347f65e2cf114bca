"""What the receivers of other hosts know is known here, too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_runner.fleet import wal_states
from pgbackstop_runner.fleet.decisions import WalLease
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import state as wal_state
from tests.support import storages

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    storages.catalog(tmp_path / "catalog")
    return StateFolder(tmp_path / "catalog")


def told(last_segment: str, at: datetime) -> WalLease:
    state = WalState(
        server="main",
        method="stream",
        status="streaming",
        host="other",
        started_at=at,
        updated_at=at,
        last_segment=last_segment,
    )
    return WalLease(server="main", worker="other", is_over=False, state=state.model_dump_json())


def known(folder: StateFolder) -> str | None:
    state = wal_state.read(folder.wal("main"))
    return state.last_segment if state else None


def test_what_is_said_on_one_host_is_kept_on_another(folder: StateFolder) -> None:
    wal_states.keep(folder, [told("first", NOW)])
    wal_states.keep(folder, [told("second", NOW + SECOND)])
    assert known(folder) == "second"
    (said,) = wal_states.own(folder, ["main", "never"]).values()
    assert '"second"' in said


@pytest.mark.parametrize("state", ["", "{}", '{"record_version": 99}', "no JSON"])
def test_what_is_older_or_not_understood_changes_nothing(folder: StateFolder, state: str) -> None:
    wal_states.keep(folder, [told("first", NOW)])
    wal_states.keep(folder, [told("older", NOW - SECOND)])
    wal_states.keep(folder, [WalLease(server="main", worker="other", is_over=False, state=state)])
    assert known(folder) == "first"
