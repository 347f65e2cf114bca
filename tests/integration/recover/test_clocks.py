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
from tests.integration.recover.conftest import MakePrimary
from tests.integration.recover.primary import Primary
from tests.support import faketime

HOUR = timedelta(hours=1)
NEAR = timedelta(minutes=10)  # what a busy machine may take between two looks


@pytest.fixture(params=[1, -1], ids=["ahead", "behind"])
def apart(request: pytest.FixtureRequest) -> timedelta:
    """How far the server's clock is ahead of the host's."""
    return HOUR * int(request.param)


@pytest.fixture
def primary(make_primary: MakePrimary, apart: timedelta) -> Primary:
    """A server with that clock: ten heartbeats, a backup, and ten after it, all received."""
    clock = faketime.environment(FAKETIME=f"{apart.total_seconds():+.0f}")
    made = make_primary(environment=clock)
    made.receive()
    made.beat(1, 10)
    made.backup()
    made.beat(11, 20)
    made.caught_up()
    return made


def near(found: float | None, wanted: timedelta) -> bool:
    return found is not None and abs(found - wanted.total_seconds()) < NEAR.total_seconds()


def window(primary: Primary) -> tuple[datetime, datetime]:
    (found,) = json.loads(primary.site.run("window", "main", "--json").stdout)
    return datetime.fromisoformat(found["start"]), datetime.fromisoformat(found["end"])


def test_everything_about_commits_goes_by_the_servers_clock(primary: Primary, apart: timedelta) -> None:
    record, commits = primary.site.newest(), primary.commits()
    start, end = window(primary)
    assert commits[10] <= start <= commits[11]
    assert commits[20] <= end

    moment = commits[15] + (commits[16] - commits[15]) / 2
    with primary.recovered("--time", moment.isoformat()) as clone:
        assert clone.beats() == list(range(1, 16))

    # Before the backup by the server's clock, whatever the host's clock says of it.
    before = primary.recover(primary.target(), "--time", commits[10].isoformat())
    assert before.returncode == ValidationError.exit_code
    assert "is inside backup" in before.stderr or "is before the first moment" in before.stderr

    assert record.server_facts is not None
    assert near(record.server_facts.clock_offset_seconds, apart)


def test_the_offset_is_told(primary: Primary, apart: timedelta) -> None:
    (report,) = json.loads(primary.site.run("check", "--json").stdout)
    (clock,) = (each for each in report["checks"] if each["name"] == "clock")
    assert ("ahead of this host's" if apart > timedelta() else "behind this host's") in clock["detail"]
    assert clock["ok"]
    shown = primary.site.run("show", primary.site.newest().id).stdout
    assert clock["detail"][:30] in shown

    assert near(asyncio.run(asked(primary)), apart)
    state = json.loads((primary.site.store / "catalog" / "state" / "wal" / "main.json").read_text())
    assert near(state["clock_offset_seconds"], apart)


async def asked(primary: Primary) -> float | None:
    source = PostgresSource(primary.site.workspace.server("main"))
    try:
        return (await source.read()).clock_offset
    finally:
        await source.close()


def test_a_drill_to_a_random_moment_proves_one_of_the_servers(primary: Primary) -> None:
    start, end = window(primary)
    done = primary.site.run("drill", "base", "--pitr", "--seed", "7")
    assert done.returncode == 0, done.stderr
    proof = drilled(primary)
    assert proof.status is Status.SUCCEEDED
    assert proof.target_time is not None
    assert start <= proof.target_time <= end
    assert proof.proven_until == proof.target_time


def drilled(primary: Primary) -> Proof:
    return next(each for each in primary.site.proofs() if each.proof == "drill")


def test_the_proof_of_a_whole_recovery_is_not_of_a_moment_to_come(primary: Primary) -> None:
    done = primary.site.run("drill", "base", "--physical")
    assert done.returncode == 0, done.stderr
    until = drilled(primary).proven_until
    assert until is not None
    assert primary.commits()[20] - timedelta(milliseconds=1) <= until <= window(primary)[1]


def test_a_backup_without_a_last_word_of_the_server_reckons_with_the_offset(primary: Primary) -> None:
    record = primary.site.newest()
    told = record.evolve(consistent_at=None)
    assert record.consistent_at is not None
    assert abs(told.recoverable_from - record.consistent_at) < NEAR
