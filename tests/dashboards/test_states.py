"""The state of a plan at its limits, told by promtool: minutes since the beginning of Unix time."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_dashboards import promql
from tests.alerts.story import DAY, HELD, HOUR, PLAN, daily
from tests.dashboards.documents import interpolate
from tests.dashboards.prometheus import program

STARTED = 2 * HOUR  # when the running backup of these stories started
RUNNING: dict[str, str | float] = {
    "backup_running": 1,
    "backup_running_start_timestamp_seconds": STARTED * 60,
    "backup_progress_timestamp_seconds": f"{STARTED * 60}x{STARTED} {STARTED * 60}+60x3000",
    "backup_progress_bytes": 9,
    "backup_progress_expected_bytes": 100,
    "backup_stall_timeout_seconds": 1800,
    "backup_max_duration_seconds": 6 * HOUR * 60,
}
SILENT = RUNNING | {"backup_progress_timestamp_seconds": STARTED * 60}

CASES: dict[str, tuple[dict[str, str | float], dict[int, int]]] = {
    "too old after 25 h": (
        daily(backup_next_run_timestamp_seconds=10 * DAY * 60),
        {25 * HOUR: promql.OK, 25 * HOUR + 2: promql.LATE},
    ),
    "late when a due run has not started for 15 min": (
        daily(backup_next_run_timestamp_seconds=HOUR * 60),
        {HOUR + 15: promql.OK, HOUR + 16: promql.LATE},
    ),
    "running is not late": (
        daily(backup_next_run_timestamp_seconds=HOUR * 60, **RUNNING),
        {STARTED + 16: promql.RUNNING},
    ),
    "stuck without a byte for half an hour": (
        daily(**SILENT),
        {STARTED + 30: promql.RUNNING, STARTED + 31: promql.STUCK},
    ),
    "not stuck while what was written is read back": (
        daily(**SILENT | {"backup_progress_bytes": 95}),
        {STARTED + 5 * HOUR: promql.RUNNING},
    ),
    "stuck when it runs longer than its plan allows": (
        daily(**RUNNING),
        {STARTED + 6 * HOUR: promql.RUNNING, STARTED + 6 * HOUR + 1: promql.STUCK},
    ),
    "never succeeded, once the grace of its first run is over": (
        daily(backup_last_success_time=0, backup_next_run_timestamp_seconds=10 * DAY * 60),
        {2 * HOUR: promql.NEW, 2 * HOUR + 1: promql.NEVER},
    ),
    "failed until it succeeds": (
        daily(backup_last_failure_timestamp_seconds=600, backup_last_success_time="60x19 1200x600"),
        {15: promql.FAILED, 25: promql.OK},
    ),
    "paused is not late": (daily(backup_enabled=0), {30 * HOUR: promql.PAUSED}),
    "unknown before the catalog was read": ({"backup_enabled": 1}, {5: promql.UNKNOWN}),
}


def document(series: dict[str, str | float], at: dict[int, int]) -> dict[str, Any]:
    labels = ",".join(f'{name}="{value}"' for name, value in PLAN.items())
    inputs = [
        {
            "series": f"{name}{{{labels}}}",
            "values": values if isinstance(values, str) else f"{values}{HELD}",
        }
        for name, values in series.items()
    ]
    questions = [
        {
            "expr": interpolate(promql.state()),
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": f"{{{labels}}}", "value": state}],
        }
        for minutes, state in at.items()
    ]
    return {
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": questions}],
    }


@pytest.mark.parametrize(("series", "at"), CASES.values(), ids=CASES)
def test_state(tmp_path: Path, series: dict[str, str | float], at: dict[int, int]) -> None:
    path = tmp_path / "state.test.yml"
    path.write_text(yaml.safe_dump(document(series, at)))
    answer = subprocess.run(
        [program("promtool"), "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
