"""The demo's one screen: what it shows, and that it fits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.demo import screen
from tests.support import factories

NOW = datetime(2026, 11, 22, 18, 56, 30, tzinfo=UTC)


def backup(plan: str, database: str, second: int, **changes: object) -> Backup:
    backup_type = plan.removeprefix("shop-")
    folder = f"backups/{backup_type}/shop/{database}/".replace("//", "/")
    identity = f"20261122T1855{second:02}Z-21f16d"
    content: dict[str, object] = {
        "id": identity,
        "plan": plan,
        "server": "shop",
        "database": database,
        "backup_type": backup_type,
        "started_at": NOW.replace(minute=55, second=second),
        "duration_seconds": 0.668,
        "size_bytes": 4_659_823,
        "location": f"{folder}{identity}",
    }
    ended = NOW.replace(minute=55, second=second + 1)
    return factories.backup(second, ended, **{**content, **changes})


LOGICAL = backup("shop-logical", "shop", 16)
EMPTY = backup("shop-logical", "postgres", 17, size_bytes=2598)
PHYSICAL = backup("shop-physical", "", 18, size_bytes=10_549_276)
WAL = WalState.model_validate(
    {
        "server": "shop",
        "method": "stream",
        "status": "streaming",
        "started_at": NOW,
        "updated_at": NOW,
        "last_received_at": NOW,
        "archive_bytes": 16_000_000,
    }
)


def view(**changes: object) -> screen.View:
    content: dict[str, object] = {
        "version": "17.10",
        "address": "127.0.0.1:60337",
        "database_bytes": 55_000_000,
        "orders": 42,
        "newest": (EMPTY, LOGICAL, PHYSICAL),
        "wal": WAL,
        "window": (NOW.replace(minute=55, second=19), NOW),
        "next_runs": (("shop-logical", datetime(2026, 11, 23, 2, tzinfo=UTC)),),
        "literal": (
            ("backup_last_success_time", 1795374208.123),
            ("backup_size_bytes", 4_659_823.0),
            ("backup_duration_seconds", 0.668),
            ("disk_free_bytes", 83_261_763_584.0),
        ),
        "addresses": (
            ("Shop", "http://127.0.0.1:46322/"),
            ("Console", "http://127.0.0.1:46326/ as demo: " + "p" * 32),
            ("Prometheus", "http://127.0.0.1:46324/alerts"),
            ("Alertmanager", "http://127.0.0.1:46325"),
            ("Metrics", "http://127.0.0.1:46323/metrics"),
        ),
        "commands": (".venv/bin/pgbackstop -c demo/pgbackstop.yaml list", "second", "third"),
        "folder": "demo/",
        "problems": (),
    }
    return screen.View(**{**content, **changes})  # type: ignore[arg-type]  # a test's shorthand


def test_the_screen_is_the_golden_one() -> None:
    golden = Path(__file__).with_name("screen.txt").read_text(encoding="utf-8")
    assert "\n".join(screen.lines(view())) + "\n" == golden


def test_the_screen_fits_a_small_terminal_with_a_line_for_the_cursor() -> None:
    found = screen.lines(view())
    assert max(map(len, found)) <= 80
    assert len(found) <= 23


def test_what_failed_and_what_is_not_known_yet_is_said() -> None:
    failed = backup("shop-physical", "", 18, status="failed", reason="tool")
    text = "\n".join(
        screen.lines(
            view(newest=[failed], wal=None, window=None, database_bytes=None, problems=["The daemon ended."])
        )
    )
    assert "failed" in text
    assert "not received yet" in text
    assert "Recovery window: not yet" in text
    assert "! The daemon ended." in text
    assert "a shop, 42 new orders" in text


def test_a_window_that_nobody_can_tell_is_not_called_closed() -> None:
    assert "Recovery window: not known" in "\n".join(screen.lines(view(window=None, literal=())))


def test_long_last_words_are_cut_and_still_fit() -> None:
    problem = f"exporter ended with exit status 1; its last words: {'word ' * 80}"
    found = screen.lines(view(problems=[problem]))
    assert found[1].startswith("! exporter ended with exit status 1")
    assert found[3].endswith("…")
    assert max(map(len, found)) <= 80
    assert len(found) <= 23


def test_only_the_newest_of_each_plan_and_database() -> None:
    older = backup("shop-logical", "shop", 1)
    assert screen.newest([PHYSICAL, EMPTY, LOGICAL, older]) == [EMPTY, LOGICAL, PHYSICAL]
    assert screen.newest([]) == []


@pytest.mark.parametrize(("enabled", "expected"), [(True, ["2026-11-29T03:00:00+00:00"]), (False, [])])
def test_next_runs(enabled: bool, expected: list[str]) -> None:
    config = Config.model_validate(
        {
            "servers": {"shop": {}},
            "storages": {"local": {"kind": "folder", "path": "/backups"}},
            "plans": {"p": {"server": "shop", "backup_type": "physical", "enabled": enabled}},
        }
    )
    assert [due.isoformat() for _, due in screen.next_runs(config, NOW)] == expected
