"""A server whose clock is not the host's: all that is compared with its commits goes by its clock."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from pgbackstop_catalog.errors import ValidationError
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_exporter.sources.postgres import PostgresSource
from tests.integration.recover.conftest import MakeYard
from tests.integration.recover.yard import Yard
from tests.support import faketime

HOUR = timedelta(hours=1)
NEAR = timedelta(minutes=10)  # what a busy machine may take between two looks


@pytest.fixture(params=[1, -1], ids=["ahead", "behind"])
def apart(request: pytest.FixtureRequest) -> timedelta:
    """How far the server's clock is ahead of the host's."""
    return HOUR * int(request.param)


@pytest.fixture
def yard(make_yard: MakeYard, apart: timedelta) -> Yard:
    """A server with that clock: ten heartbeats, a backup, and ten after it, all received."""
    clock = faketime.environment(FAKETIME=f"{apart.total_seconds():+.0f}")
    made = make_yard(environment=clock)
    made.receive()
    made.beat(1, 10)
    made.backup()
    made.beat(11, 20)
    made.caught_up()
    return made


def near(found: float | None, wanted: timedelta) -> bool:
    return found is not None and abs(found - wanted.total_seconds()) < NEAR.total_seconds()


def window(yard: Yard) -> tuple[datetime, datetime]:
    (found,) = json.loads(yard.site.run("window", "main", "--json").stdout)
    return datetime.fromisoformat(found["start"]), datetime.fromisoformat(found["end"])


def test_everything_about_commits_goes_by_the_servers_clock(yard: Yard, apart: timedelta) -> None:
    record, commits = yard.site.newest(), yard.commits()
    start, end = window(yard)
    assert commits[10] <= start <= commits[11]
    assert commits[20] <= end

    moment = commits[15] + (commits[16] - commits[15]) / 2
    with yard.recovered("--time", moment.isoformat()) as clone:
        assert clone.beats() == list(range(1, 16))

    # Before the backup by the server's clock, whatever the host's clock says of it.
    before = yard.recover(yard.target(), "--time", commits[10].isoformat())
    assert before.returncode == ValidationError.exit_code
    assert "is inside backup" in before.stderr or "is before the first moment" in before.stderr

    assert record.server_facts is not None
    assert near(record.server_facts.clock_offset_seconds, apart)


def test_the_offset_is_told(yard: Yard, apart: timedelta) -> None:
    (report,) = json.loads(yard.site.run("check", "--json").stdout)
    (clock,) = (each for each in report["checks"] if each["name"] == "clock")
    assert ("ahead of this host's" if apart > timedelta() else "behind this host's") in clock["detail"]
    assert clock["ok"]
    shown = yard.site.run("show", yard.site.newest().id).stdout
    assert clock["detail"][:30] in shown

    assert near(asyncio.run(asked(yard)), apart)
    state = json.loads((yard.site.store / "catalog" / "state" / "wal" / "main.json").read_text())
    assert near(state["clock_offset_seconds"], apart)


async def asked(yard: Yard) -> float | None:
    source = PostgresSource(yard.site.workspace.server("main"))
    try:
        return (await source.read()).clock_offset
    finally:
        await source.close()


def test_a_drill_to_a_random_moment_proves_one_of_the_servers(yard: Yard) -> None:
    start, end = window(yard)
    done = yard.site.run("drill", "base", "--pitr", "--seed", "7")
    assert done.returncode == 0, done.stderr
    proof = drilled(yard)
    assert proof.status is Status.SUCCEEDED
    assert proof.target_time is not None
    assert start <= proof.target_time <= end
    assert proof.proven_until == proof.target_time


def drilled(yard: Yard) -> Proof:
    return next(each for each in yard.site.proofs() if each.proof == "drill")


def test_the_proof_of_a_whole_recovery_is_not_of_a_moment_to_come(yard: Yard) -> None:
    done = yard.site.run("drill", "base", "--physical")
    assert done.returncode == 0, done.stderr
    until = drilled(yard).proven_until
    assert until is not None
    assert yard.commits()[20] - timedelta(milliseconds=1) <= until <= window(yard)[1]


def test_a_backup_without_a_last_word_of_the_server_reckons_with_the_offset(yard: Yard) -> None:
    record = yard.site.newest()
    told = record.evolve(consistent_at=None)
    assert record.consistent_at is not None
    assert abs(told.recoverable_from - record.consistent_at) < NEAR
