"""A simulated installation as a Prometheus that has watched it for days, and sees it now.

What the exporter says of the world at each step becomes blocks of Prometheus' own storage, so that every
query of a page has an answer with a history. The rules are the shipped ones, without their ``for``: the fault
has lasted long enough.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.alerts import timeline
from tests.alerts.story import EXPORTER
from tests.alerts.test_rules import RULES
from tests.alerts.world import World
from tests.dashboards.pictures.states import Labels, State
from tests.dashboards.prometheus import Prometheus, program

STEP = timedelta(minutes=30)


class Installation:
    """What a page asks."""

    def __init__(self, prometheus: Prometheus, first: datetime, last: datetime) -> None:
        self._prometheus = prometheus
        self.first, self.last = first, last
        # As many points as a graph shows, each at a step of the simulation.
        self._step = max(1, round((last - first) / STEP / 200)) * int(STEP.total_seconds())

    def now(self, expr: str) -> list[dict[str, Any]]:
        """The newest values."""
        return self._prometheus.instant(self._filled(expr))

    def over_time(self, expr: str, points: int) -> list[dict[str, Any]]:
        """The values over the days, at no more than about so many points."""
        step = self._step * max(1, 200 // points)
        start, end = self.first.timestamp(), self.last.timestamp()
        return self._prometheus.between(self._filled(expr, step), start, end, step)

    def _filled(self, expr: str, step: int | None = None) -> str:
        step = step or self._step
        whole = int((self.last - self.first).total_seconds())
        for name, seconds in (("$__rate_interval", 4 * step), ("$__interval", step), ("$__range", whole)):
            expr = expr.replace(name, f"{seconds}s")
        return expr


@contextmanager
def running(state: State, folder: Path) -> Iterator[Installation]:
    """That state, as of now."""
    last = datetime.fromtimestamp(time.time() // 3600 * 3600, UTC)
    first = last - timedelta(days=state.days)
    samples = folder / "samples.txt"
    with samples.open("w") as file:
        file.writelines(_told(state, first, last))
        file.write("# EOF\n")
    command = [program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics"]
    done = subprocess.run(
        [*command, str(samples), str(folder / "data")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with Prometheus(folder, "", _rules(folder) if state.has_rules else None) as prometheus:
        if state.has_rules:
            prometheus.until(lambda: bool(prometheus.instant(_LAST_RULE)), "the rules are evaluated")
        yield Installation(prometheus, first, last)


# In one group, so that the last has been evaluated when all others have.
_LAST_RULE = 'ALERTS{alertname="Watchdog"}'


def _rules(folder: Path) -> Path:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules[-1]["alert"] == "Watchdog"
    without = [{key: value for key, value in rule.items() if key != "for"} for rule in rules]
    path = folder / "pictures.rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": without}]}))
    return path


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One world, and the labels with which it is told; series that no database has are those of the first."""

    world: World
    fault: timeline.Fault | None
    fleet: tuple[Labels, ...]
    teams: Mapping[str, str]
    is_first: bool

    def at(self, moment: datetime, *, is_faulty: bool) -> Iterator[str]:
        self.world.live(moment)
        if self.fault is not None and is_faulty:
            self.fault(self.world, moment)
        stamp = f"{moment.timestamp():.3f}"
        if self.is_first:
            yield f"up{_labels({})} {int(self.world.is_exporter_up)} {stamp}\n"
        if self.world.is_exporter_up:
            for name, where, value in timeline.scrape(self.world, moment):
                own = _parsed(where)
                for labels in _meant(own, self.fleet, is_first=self.is_first):
                    told = own | labels
                    if name == "backup_server_info":
                        told["team"] = self.teams.get(told["server"], "")
                    yield f"{name}{_labels(told)} {value!r} {stamp}\n"


def _told(state: State, first: datetime, last: datetime) -> Iterator[str]:
    """The past of all parts, and then the present, so that it is not old before somebody looks."""
    whole = [(state.fault, state.fleet), *((fault, (labels,)) for fault, labels in state.also)]
    parts = [
        _Part(
            world=World(begins=first, is_new=state.is_new, step=STEP),
            fault=fault,
            fleet=fleet,
            teams=state.teams,
            is_first=number == 0,
        )
        for number, (fault, fleet) in enumerate(whole)
    ]
    for part in parts:
        for step in range(int((last - first) / STEP) + 1):
            moment = first + step * STEP
            yield from part.at(moment, is_faulty=last - moment <= state.ago)
    now = datetime.now(UTC)
    for part in parts:
        yield from part.at(now, is_faulty=True)


def _parsed(where: str) -> Labels:
    """The labels of a series from their text, ``{name="value",…}``."""
    inside = where.strip("{}").replace('",', '"\n').splitlines()
    pairs = (each.partition("=") for each in inside)
    return {name: json.loads(value) for name, _, value in pairs}


def _meant(own: Labels, fleet: tuple[Labels, ...], *, is_first: bool) -> Iterator[Labels]:
    """Which of a fleet's labels a series is told with: a database's each, a server's once, others once."""
    if own.get("backup_type") == "logical":
        yield from fleet
    elif "server" in own and is_first:
        for server in dict.fromkeys(each.get("server", own["server"]) for each in fleet):
            plan = {"plan": f"{server}-physical"} if "plan" in own and server != own["server"] else {}
            yield {"server": server, **plan}
    elif "server" not in own and is_first:
        yield {}


def _labels(own: Labels) -> str:
    every = EXPORTER | own
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in every.items() if value) + "}"
