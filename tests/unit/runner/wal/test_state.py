"""Whether a receiver lives, on this host or on another one of a fleet."""

from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner import workspace
from pgbackstop_runner.wal import state as wal_state

FLEET = """
servers: {main: {}}
storages: {disk: {kind: folder, path: store}}
catalog: {postgres: {host: localhost, user: keeper, database: catalog}}
state_folder: state
workers: {enabled: WANTED}
"""


@pytest.mark.parametrize(
    ("workers", "status", "age", "is_received"),
    [
        ("true", "streaming", timedelta(), True),
        ("true", "down", timedelta(seconds=20), True),
        ("true", "streaming", timedelta(seconds=90), False),
        ("true", "stopped", timedelta(), False),
        ("false", "streaming", timedelta(), False),
    ],
)
def test_what_a_fresh_state_says(
    tmp_path: Path, workers: str, status: str, age: timedelta, is_received: bool
) -> None:
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(FLEET.replace("WANTED", workers))
    opened = workspace.open_workspace(file, on_invalid_record=lambda _error: None)
    then = utc_now() - age
    state = WalState.model_validate(
        {"server": "main", "method": "stream", "status": status, "started_at": then, "updated_at": then}
    )
    assert wal_state.is_received(opened, "main", state) is is_received
    assert not wal_state.is_received(opened, "main", None)
