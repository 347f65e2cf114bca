"""A signal while a plan is checked is no finding of the check."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.support import storages

DEADLINE = 120.0  # seconds; only what is broken ever takes so long


def test_a_backup_that_is_ended_while_it_checks_is_interrupted_and_not_failed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(DEADLINE)
        file = tmp_path / "pgbackstop.yaml"
        document = {
            "servers": {
                "main": {"host": "127.0.0.1", "port": mute.getsockname()[1], "wal": {"enabled": False}}
            },
            "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
            "plans": {"shop": {"server": "main", "backup_type": "logical", "databases": ["shop"]}},
        }
        file.write_text(yaml.safe_dump(document))
        storages.create_for(file)
        with subprocess.Popen(
            [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(file), "backup", "shop"],
            stderr=subprocess.DEVNULL,
        ) as running:
            asked, _ = mute.accept()
            with asked:
                assert asked.recv(1)  # it waits for the answer now, and none comes
                running.send_signal(signal.SIGTERM)
                assert running.wait(DEADLINE) == errors.Interrupted.exit_code
    record = next(FolderCatalog(tmp_path / "store" / "catalog").backups("shop"))
    assert (record.status, record.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED), record.message
