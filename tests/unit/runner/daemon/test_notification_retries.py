"""Backups go on, whatever happens to a delivery."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.daemon.notification_retries import NotificationRetrier
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.notify.events import of_test
from pgbackstop_runner.workspace import Workspace
from tests.support import storages


def test_a_bug_in_a_delivery_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = Config.model_validate(
        {
            "servers": {"main": {}},
            "storages": {"disk": {"kind": "folder", "path": tmp_path}},
            "notifications": {"alertmanager": {"url": "http://127.0.0.1:1"}},
        }
    )
    catalog = storages.catalog(checked.catalog_folder())
    opened = Workspace(file=tmp_path / "pgbackstop.yaml", config=checked, catalog=catalog)
    backup_events.queue(opened, of_test(utc_now()))
    tries = []

    def broken(*_: Any) -> None:
        tries.append(1)
        raise ZeroDivisionError("out of cheese")

    monkeypatch.setattr(backup_events, "deliver", broken)

    async def serve() -> None:
        courier = NotificationRetrier(settings=Settings(first_pause=0.0, longest_pause=0.0))
        while len(tries) < 3:
            courier.look(opened)
            await asyncio.sleep(0)
        await courier.stop()

    with capture_logs() as lines:
        asyncio.run(asyncio.wait_for(serve(), 60))
    assert [line["log_level"] for line in lines] == ["error"] * 2
