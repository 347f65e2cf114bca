"""The exporter as a process, over a catalog of real records."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.records import Backup
from tests.integration.exporter.running import Exporter, write_config
from tests.unit.exporter.builders import backup, catalog


def configure(folder: Path, **changes: object) -> Path:
    """A configuration with one daily plan of a server that nobody needs to start."""
    document = {
        "servers": {"main": {"port": 1, "wal": {"enabled": False}}},
        "plans": {"daily": {"server": "main", "backup_type": "logical"}},
        "storages": {"local": {"kind": "folder", "path": folder}},
        **changes,
    }
    return write_config(folder / "pgbackstop.yaml", document)


@pytest.fixture
def newest() -> Backup:
    return backup(datetime.now(UTC) - timedelta(hours=3))


def test_the_four_metrics_of_the_specification_have_the_values_of_the_records(
    tmp_path: Path, newest: Backup
) -> None:
    older = backup(newest.started_at - timedelta(days=1), size_bytes=1, duration_seconds=1.0)
    catalog(tmp_path, older, newest)
    with Exporter(configure(tmp_path)) as exporter:
        page = exporter.until_page(lambda page: bool(page.values("backup_last_success_time")))
        disk = exporter.until_page(lambda page: bool(page.values("disk_free_bytes")))

    assert newest.finished_at is not None
    labels = {"plan": "daily", "server": "main", "database": "shop", "backup_type": "logical"}
    assert page.value("backup_last_success_time", **labels) == pytest.approx(newest.finished_at.timestamp())
    assert page.value("backup_size_bytes", **labels) == newest.size_bytes
    assert page.value("backup_duration_seconds", **labels) == newest.duration_seconds
    free, size = (disk.value(name, path=str(tmp_path)) for name in ("disk_free_bytes", "disk_size_bytes"))
    assert free is not None
    assert size is not None
    assert 0 < free <= size
