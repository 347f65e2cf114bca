"""What is kept of discovered servers is followed, whoever asked for it, and stays where it is away."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from pgbackstop_catalog.config import discovered
from pgbackstop_runner import workspace
from pgbackstop_runner.daemon.discoveries import Discoveries
from pgbackstop_runner.discovery import refresh
from pgbackstop_runner.workspace import Workspace
from tests.support import storages

CONFIGURATION = """
storages: {disk: {kind: folder, path: store}}
discovery: {racks: {files: [targets.json], interval: 1d}}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(CONFIGURATION)
    storages.create_for(file)
    listed(tmp_path, "pay-1")
    return workspace.open_workspace(file, on_invalid_record=lambda _error: None)


def listed(folder: Path, *names: str) -> None:
    (folder / "targets.json").write_text(json.dumps([{"targets": [f"{name}:5432" for name in names]}]))


async def _followed(opened: Workspace, found: Discoveries) -> bool:
    found.look(opened)
    await found.stop()
    return found.look(opened)


def test_servers_that_somebody_else_asked_for_are_followed(opened: Workspace) -> None:
    found = Discoveries(wake=asyncio.Event())
    assert asyncio.run(_followed(opened, found))
    assert not found.look(opened)
    listed(opened.file.parent, "pay-1", "pay-2")
    assert refresh.refresh(opened, "racks", time.time()).came == ("pay-2",)
    assert found.look(opened)
    assert not found.look(opened)


def test_what_is_kept_and_away_is_no_change(opened: Workspace) -> None:
    found = Discoveries(wake=asyncio.Event())
    assert asyncio.run(_followed(opened, found))
    kept = discovered.servers_file(opened.state.root, "racks")
    kept.rename(kept.with_name("away"))
    assert not found.look(opened)
    kept.with_name("away").rename(kept)
    assert not found.look(opened)
