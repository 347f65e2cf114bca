"""A week of a fleet in compressed time: real workers over one real PostgreSQL, killed by chance, counted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import until
from benchmarks.fleet.count import Counted, Due, count
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from tests.support import catalogs, places, storages
from tests.support.servers import Server

_DATABASE = "week"
_PATIENCE = 300.0
_PENDING = (
    "select count(*) from pgbackstop.due_run where state in ('queued', 'running') and due_at <= '{until}'"
)
# Of those that went at once: others waited for a worker that had died, which has a stated time of its own.
_WAITS = """
    select extract(epoch from started_at - due_at)::float8 from pgbackstop.due_run
     where attempt = 1 and due_at > '{since}' and due_at <= '{until}' and started_at is not null"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large a week is: each server has a run a day, and a day takes ``day`` seconds, 60 at most.

    ``kills`` is how many workers die on a day, on average; ``restarts`` whether PostgreSQL crashes once.
    """

    servers: int
    days: int
    day: int = 60
    workers: int = 5
    kills: float = 2.0
    restarts: bool = True
    seed: str = "1"


@dataclass(frozen=True, kw_only=True)
class Week:
    """What became of it; ``waits`` are seconds from a due time to the start of its run."""

    shape: Shape
    counted: Counted
    killed: int
    waits: tuple[float, ...]

    def wait(self, share: float) -> float:
        """The wait that this share of the runs did not exceed."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass
class _Fleet:
    shape: Shape
    server: Server
    folder: Path
    chance: random.Random
    killed: int = 0
    _workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def schedule(self, number: int) -> Schedule:
        """Spread over the day, as ``H`` spreads them."""
        first = number * self.shape.day // self.shape.servers
        seconds = ",".join(map(str, range(first, 60, self.shape.day)))
        return Schedule(expression=f"{seconds} * * * * *")

    def prepare(self) -> PostgresCatalog:
        self.server.execute(f"drop database if exists {_DATABASE} with (force)")
        self.server.execute(f"create database {_DATABASE} encoding 'UTF8' template template0")
        place = catalogs.place_on(self.server, _DATABASE)
        names = range(self.shape.servers)
        document: dict[str, Any] = {
            "catalog": catalogs.keys(place),
            "servers": {f"server-{number}": {"wal": {"enabled": False}} for number in names},
            "storages": {"disk": {"kind": "folder", "path": str(self.folder / "store"), "reserve": 0}},
            "plans": {
                f"plan-{number}": {
                    "server": f"server-{number}",
                    "backup_type": "logical",
                    "schedule": self.schedule(number).expression,
                    "drill": {"enabled": False},
                }
                for number in names
            },
            "verify": {"enabled": False},
            "workers": {"enabled": True, "per_storage": 1000},
        }
        for number in range(self.shape.workers):
            file = self._file(number)
            file.write_text(
                yaml.safe_dump({**document, "state_folder": str(self.folder / f"state-{number}")})
            )
            storages.create_for(file)
        return PostgresCatalog(place)

    def keep_alive(self) -> None:
        """Start every worker that does not run."""
        for number in range(self.shape.workers):
            if number not in self._workers or self._workers[number].poll() is not None:
                self._workers[number] = self._start(number)

    def kill_one(self) -> None:
        """As when a host dies: no word to anybody."""
        victim = self._workers[self.chance.randrange(self.shape.workers)]
        victim.kill()
        victim.wait(60)
        self.killed += 1

    def stop(self) -> None:
        for each in self._workers.values():
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
        for each in self._workers.values():
            each.wait(60)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        command = ["-m", "benchmarks.fleet.worker", str(self._file(number)), f"--seed={self.shape.seed}"]
        environment = {**os.environ, **self.server.environment, "PGDATABASE": _DATABASE}
        with (self.folder / f"worker-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *command, f"--psql={self.server.programs.tool('psql')}"],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def _file(self, number: int) -> Path:
        return self.folder / f"worker-{number}.yaml"


def run(server: Server, shape: Shape) -> Week:
    """Let it pass on that server, which is crashed once where the shape says so. Raises Failed."""
    with ExitStack() as opened:
        fleet = _Fleet(shape, server, places.make(), random.Random(shape.seed))  # noqa: S311 - a seed is wanted
        catalog = fleet.prepare()
        opened.callback(catalog.session.close)
        opened.callback(fleet.stop)
        fleet.keep_alive()
        until(
            lambda: _number(server, "select count(*) from pgbackstop.scheduled_plan") == shape.servers,
            "plans",
            300,
        )
        since = datetime.now(UTC)
        end = since + timedelta(seconds=shape.days * shape.day)
        _let_pass(fleet, end)
        until(lambda: _is_over(fleet, end), "the last runs", _PATIENCE)
        waits = server.execute(_WAITS.format(since=since, until=end), _DATABASE)
        fleet.stop()
        return Week(
            shape=shape,
            counted=count(list(_due(fleet, since, end)), catalog.backups()),
            killed=fleet.killed,
            waits=tuple(float(str(seconds)) for (seconds,) in waits),
        )


def _let_pass(fleet: _Fleet, end: datetime) -> None:
    """Until then workers die and are started anew, and PostgreSQL crashes in the middle."""
    shape = fleet.shape
    crash = end - timedelta(seconds=shape.days * shape.day / 2) if shape.restarts else end
    while (now := datetime.now(UTC)) < end:
        if now >= crash:
            fleet.server.stop("immediate")
            fleet.server.start()
            crash = end
        if fleet.chance.random() < shape.kills / shape.day:
            fleet.kill_one()
        time.sleep(1)
        fleet.keep_alive()


def _is_over(fleet: _Fleet, end: datetime) -> bool:
    """Whether every due time until then was seen by a worker, and none of them waits or runs."""
    fleet.keep_alive()
    return _are_seen(fleet, end) and _number(fleet.server, _PENDING.format(until=end)) == 0


def _are_seen(fleet: _Fleet, end: datetime) -> bool:
    """One that no worker has come to yet has no row that waits, and would count as lost."""
    found = fleet.server.execute("select plan, handled_until from pgbackstop.scheduled_plan", _DATABASE)
    handled = {plan: moment for plan, moment in found if isinstance(moment, datetime)}
    return all(
        fleet.schedule(number).next_after(handled[f"plan-{number}"]) > end
        for number in range(fleet.shape.servers)
    )


def _due(fleet: _Fleet, since: datetime, end: datetime) -> Iterator[Due]:
    for number in range(fleet.shape.servers):
        moment = since
        while (moment := fleet.schedule(number).next_after(moment)) <= end:
            yield f"plan-{number}", moment


def _number(server: Server, question: str) -> int:
    return int(str(server.execute(question, _DATABASE)[0][0]))
