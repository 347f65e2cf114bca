"""Thirty days of an installation without a false alarm, and every fault told in time."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts import reference, timeline
from tests.alerts.faults import BEGINS, FAULTS, Expectation
from tests.alerts.story import EXPORTER
from tests.alerts.test_rules import RULES, alert_names
from tests.alerts.timeline import Series
from tests.alerts.world import World

LOGICAL_SERIES = '{backup_type="logical",database="shop",plan="main-logical",server="main"}'
Fired = dict[str, timedelta]
_GOT = re.compile(r'\{alertname="(\w+)"\} ([0-9.E+-]+)')
# What no fault of this table can provoke, and why.
ELSEWHERE = {
    "Watchdog": "always fires",
}


def document(series: Series, days: float, step: timedelta) -> dict[str, Any]:
    """Asks once, at the end, when each alert fired first."""
    inputs = [
        {"series": f"{name}{_with_exporter(where)}", "values": timeline.shorthand(values)}
        for (name, where), values in series.items()
    ]
    minutes = f"{int(step.total_seconds() // 60)}m"
    moments = 'timestamp(ALERTS{alertstate="firing",alertname!="Watchdog"})'
    first = f"min by (alertname) (min_over_time({moments}[{int(days * 24) + 1}h:{minutes}]))"
    question = {"expr": first, "eval_time": f"{int(days * 1440)}m", "exp_samples": []}
    return {
        "rule_files": [str(RULES)],
        "evaluation_interval": minutes,
        "tests": [{"interval": minutes, "input_series": inputs, "promql_expr_test": [question]}],
    }


def _with_exporter(where: str) -> str:
    own = ",".join(f"{name}={json.dumps(value)}" for name, value in EXPORTER.items())
    return f"{{{own},{where[1:]}" if where else f"{{{own}}}"


def fired(promtool: str, folder: Path, world: World, series: Series, days: float) -> Fired:
    """How long after the beginning each alert fired first; promtool tells what it did not expect."""
    path = folder / "timeline.test.yml"
    path.write_text(
        yaml.dump(document(series, days, world.step), Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    )
    answer = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    said = answer.stdout + answer.stderr
    found = {name: timedelta(seconds=float(value)) for name, value in _GOT.findall(said)}
    assert found or answer.returncode == 0, said
    return found


@pytest.mark.parametrize(
    ("begins", "is_new"),
    [(datetime(2026, 3, 10, tzinfo=UTC), True), (datetime(2026, 10, 10, tzinfo=UTC), False)],
    ids=["spring, a new installation", "autumn, an old one"],
)
def test_thirty_days_without_a_false_alarm(
    promtool: str, tmp_path: Path, begins: datetime, is_new: bool
) -> None:
    """Daily and weekly plans, idle nights, a weekly sawtooth on the disk, and a change of the clock."""
    world = World(begins=begins, is_new=is_new, step=timedelta(minutes=15))
    series = timeline.samples(world, 30)
    assert len(series[("backup_last_success_time", LOGICAL_SERIES)]) == 30 * 96 + 1
    assert fired(promtool, tmp_path, world, series, 30) == {}


@pytest.fixture(scope="module")
def told(promtool: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Expectation], Fired]:
    """When each alert fired first after the fault; each fault is told once."""
    known: dict[str, Fired] = {}

    def ask(each: Expectation) -> Fired:
        if each.what not in known:
            folder = tmp_path_factory.mktemp("fault")
            world = World(begins=BEGINS, is_new=each.is_new, step=each.step, disk_size=each.disk_size)
            series = timeline.samples(world, each.days, each.fault, after=each.after)
            found = fired(promtool, folder, world, series, each.days)
            known[each.what] = {name: moment - each.after for name, moment in found.items()}
        return known[each.what]

    return ask


@pytest.mark.parametrize("each", FAULTS, ids=lambda each: each.what)
def test_the_fault_is_told_in_time_and_nothing_else_is(
    each: Expectation, told: Callable[[Expectation], Fired]
) -> None:
    found = told(each)
    assert set(found) == {each.by, *each.also}
    assert timedelta() <= found[each.by] <= each.within
    assert min(found.values()) == found[each.by]


def test_every_alert_of_backups_is_in_the_table() -> None:
    named = {name for each in FAULTS for name in (each.by, *each.also)}
    ours = {name for name in alert_names() if not name.startswith("Monitoring")}
    assert named | set(ELSEWHERE) == ours


def test_the_reference_is_the_table() -> None:
    assert reference.PAGE.read_text() == reference.text(), "run: python -m tests.alerts.reference"
