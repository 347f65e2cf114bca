"""What people read of the receiver, and the settings they paste."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions.wal_segments import WalConflict, WalGap, WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.cli import wal_table
from pgbackstop_runner.wal import archive_command
from pgbackstop_runner.wal.status import Report, WindowReport

START = datetime(2026, 11, 22, 2, tzinfo=UTC)
NAME = "000000010000000000000007"


def state(**changes: Any) -> WalState:
    values: dict[str, Any] = {
        "server": "main",
        "method": "stream",
        "status": "streaming",
        "started_at": START,
        "updated_at": utc_now(),
    }
    return WalState(**{**values, **changes})


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "server": "main",
        "enabled": True,
        "method": "stream",
        "archive": "/archive",
        "receiver_running": True,
        "state": state(),
    }
    return Report(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "streaming"),
        ({"state": {"status": "down"}}, "down"),
        ({"state": {"updated_at": START}}, "stale"),
        ({"receiver_running": False}, "dead"),
        ({"receiver_running": False, "state": {"status": "stopped"}}, "stopped"),
        ({"receiver_running": False, "state": None}, "never ran"),
        ({"enabled": False, "receiver_running": False}, "disabled"),
    ],
)
def test_a_state_that_cannot_be_believed_is_not_shown(changes: dict[str, Any], word: str) -> None:
    if changes.get("state"):
        # Made now and not when tests are collected: a state grows stale in seconds.
        changes = {**changes, "state": state(**changes["state"])}
    assert wal_table.state_of(report(**changes)) == word


def test_everything_that_needs_attention_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    gap = WalGap(timeline=1, first=NAME, last=NAME, segments=1, found_at=START, reason="it was deleted")
    conflict = WalConflict(name=NAME, found_at=START, kept_as="conflicts/x")
    window = WindowReport(
        start=START, end=START, ends="gap", reason=f"{NAME} is missing", backup="b", timeline=1
    )
    full = state(gaps=(gap,), conflicts=(conflict,), status="down", message="The disk is full.")
    wal_table.status(
        [
            report(state=full, windows=(window,), slot_exists=False, slot_retained_bytes=2_000_000),
            report(server="other", receiver_running=False, state=None, server_problem="Nothing answers."),
        ]
    )
    table, _, remarks = capsys.readouterr().out.partition("\n\n")
    titles, main, other = table.splitlines()
    assert titles.startswith("SERVER  STATE")
    assert main.split()[:2] == ["main", "down"]
    assert "2026-11-22 02:00:00Z" in main
    assert "2.0 MB" in main
    assert other.split()[:3] == ["other", "never", "ran"]
    for words in (
        "main: the server has no replication slot",
        f"ends at a gap: {NAME} is missing",
        "main: The disk is full.",
        f"main: {NAME} to {NAME} missing since 2026-11-22 02:00:00Z: it was deleted; a base backup is wanted",
        f"main: {NAME} arrived again with other content, kept as conflicts/x",
        "other: the server does not answer: Nothing answers.",
        "other: no receiver runs",
        "other: nothing can be recovered",
    ):
        assert words in remarks


def test_the_settings_survive_awkward_paths(tmp_path: Path) -> None:
    archive = tmp_path / "it's 100% \\ mine"
    lines = archive_command.settings(archive, Server()).splitlines()
    assert lines[0] == "archive_mode = on"
    assert os.access(archive / archive_command.SCRIPT_NAME, os.X_OK)
    value = lines[1].removeprefix("archive_command = '").removesuffix("'")
    # As the server reads it: the file's quotes first, then its own % signs.
    line = value.replace("''", "'").replace("\\\\", "\\").replace("%p", "/absent").replace("%f", NAME)
    answer = subprocess.run(line.replace("%%", "%"), shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert answer.returncode == 1
    assert f"cannot be written to {archive}/incoming" in answer.stderr
