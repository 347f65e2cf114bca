"""The exporter has the servers that were discovered, and keeps those of before while a list is not taken."""

import json
import time
from pathlib import Path

from pgbackstop_runner import workspace
from pgbackstop_runner.discovery import refresh
from tests.integration.exporter.running import Exporter, write_config

GROUPS = {"g": {"labels": {"team": "payments"}, "server": {"wal": {"enabled": False}}}}


def discover(config: Path, *names: str) -> str:
    """Have the runner ask for a list of these servers; what was wrong with it."""
    config.with_name("targets.json").write_text(json.dumps([{"targets": list(names)}]))
    opened = workspace.open_workspace(config, on_invalid_record=lambda _error: None)
    return refresh.refresh(opened, "racks", time.time()).problem


def test_servers_come_and_go_with_the_list(tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "pgbackstop.yaml",
        {
            "storages": {"local": {"kind": "folder", "path": tmp_path / "store"}},
            "groups": GROUPS,
            "discovery": {"racks": {"files": ["targets.json"], "group": "g"}},
        },
    )
    with Exporter(config) as exporter:
        exporter.until_page(lambda page: page.value("backup_discovery_success", source="racks") == 0.0)
        assert discover(config, "pay-1:1", "pay-2:1") == ""
        wanted = {"server": "pay-2", "group": "g", "team": "payments"}
        page = exporter.until_page(lambda page: page.value("backup_server_info", **wanted) == 1.0)
        assert page.value("backup_enabled", plan="pay-1-logical") == 1.0
        exporter.until_page(lambda page: page.value("backup_discovery_servers", source="racks") == 2.0)
        assert discover(config, "pay/1") != ""
        page = exporter.until_page(lambda page: page.value("backup_discovery_success", source="racks") == 0.0)
        assert len(page.values("backup_server_info")) == 2
        last = page.value("backup_discovery_last_success_timestamp_seconds", source="racks")
        assert last is not None
        assert last > 0
        assert discover(config, "pay-2:1") == ""
        exporter.until_page(lambda page: page.values("backup_server_info", server="pay-1") == [])
