"""Physical drills and drills to a moment, against real archives and heartbeats."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import pgbackstop_runner
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.wal import archive_reader
from tests.integration.drill.conftest import drills, remains
from tests.integration.exporter.running import Exporter
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Primary
from tests.support import backups, binaries
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

HEARTBEAT = Path(pgbackstop_runner.__file__).with_name("heartbeat.sql")
BEAT = """insert into pgbackstop.heartbeat (written_at, previous)
          select clock_timestamp(), max(written_at) from pgbackstop.heartbeat"""


def prepare(server: Server) -> None:
    """The table of heartbeats, by the script that is shipped."""
    server.execute("create role pgbackstop")
    server.execute(HEARTBEAT.read_text())


@contextmanager
def primary(server: Server) -> Iterator[Primary]:
    """A base backup, and heartbeats in two segments after it, all received."""
    prepare(server)
    made = Primary(server)
    made.site.server_settings = {"wal": {}, "heartbeat": {"enabled": True}}
    made.site.write()
    try:
        made.receive()
        beat(made)
        made.backup()
        beat(made, 5)
        made.switch()
        beat(made, 5)
        made.caught_up()
        yield made
    finally:
        made.close()


def beat(made: Primary, times: int = 1) -> None:
    with made.server.connect() as connection:
        for _ in range(times):
            connection.execute(BEAT)


def newest(made: Primary) -> datetime:
    (moment,) = made.server.execute("select max(written_at) from pgbackstop.heartbeat")[0]
    assert isinstance(moment, datetime)
    return moment


def drill(made: Primary, *words: str) -> Proof:
    """One drill, good or bad, that leaves nothing."""
    done = made.site.run("drill", "base", *words)
    assert backups.sentence(done) or done.returncode == 0
    assert not remains(made.site)
    proof = drills(made.site)[0]
    assert (proof.status is Status.SUCCEEDED) == (done.returncode == 0), done.stderr
    return proof


def check(proof: Proof, name: str) -> tuple[bool, str]:
    found = next(each for each in proof.checks if each.name == name)
    return found.ok, found.detail


@pytest.fixture(scope="module", params=binaries.EDGES, ids=[f"pg{m}" for m in binaries.EDGES])
def each(request: pytest.FixtureRequest) -> Iterator[Primary]:
    """The oldest and the newest major version; tests of recovery have those between."""
    with (
        Server(binaries.reachable(request.param), settings=primaries.SETTINGS) as server,
        primary(server) as made,
    ):
        yield made


@pytest.fixture
def single(make_server: MakeServer) -> Iterator[Primary]:
    """One of the test's own, to be damaged."""
    with primary(make_server(settings=primaries.SETTINGS)) as made:
        yield made


def test_a_physical_drill_goes_to_the_end_of_the_archive(each: Primary) -> None:
    proof = drill(each, "--physical")
    assert (proof.status, proof.drill) == (Status.SUCCEEDED, "physical"), proof.message
    assert proof.proven_until is not None
    assert proof.proven_until >= newest(each).replace(microsecond=0)
    assert check(proof, "heartbeats")[0]
    assert check(proof, "pages") == (True, "pg_amcheck found nothing")
    assert proof.rpo_seconds is not None
    assert [step.name for step in proof.steps] == ["check", "unpack", "replay", "check result"]


def test_a_drill_to_a_random_moment_says_it_again_for_the_same_seed(each: Primary) -> None:
    opened = each.site.workspace
    (window,) = archive_reader.windows(opened, "main", archive_reader.read(opened, "main"))
    proof = drill(each, "--pitr", "--seed", "7")
    assert (proof.status, proof.drill) == (Status.SUCCEEDED, "pitr"), proof.message
    assert proof.target_time == proof.proven_until
    assert proof.target_time is not None
    assert window.start.replace(microsecond=0) <= proof.target_time <= window.end
    assert "seed 7" in proof.message
    assert check(proof, "reached")[0]
    assert check(proof, "heartbeats")[0]


def test_a_moment_that_was_asked_for_is_proven_and_shown(each: Primary) -> None:
    moment = newest(each)
    proof = drill(each, "--time", (moment + timedelta(milliseconds=1)).isoformat())
    assert proof.status is Status.SUCCEEDED, proof.message
    assert proof.rpo_seconds is not None
    assert proof.rpo_seconds < 1
    proven = max(one.proven_until.timestamp() for one in drills(each.site) if one.proven_until)
    with Exporter(each.site.file) as exporter:
        name = "backup_proven_recoverable_timestamp_seconds"
        page = exporter.until_page(lambda page: bool(page.value(name, server="main")))
    assert page.value(name, server="main") == proven


def test_a_moment_outside_of_the_window_is_refused(each: Primary) -> None:
    before = drills(each.site)
    done = each.site.run("drill", "base", "--time", "2020-01-01T00:00:00Z")
    assert done.returncode == 3
    assert "is before the first moment" in backups.sentence(done)
    assert drills(each.site) == before


def test_a_row_that_was_lost_is_found(single: Primary) -> None:
    """Removed on the live server inside the window: the next one names it, and it is not there."""
    single.server.execute(
        "delete from pgbackstop.heartbeat where written_at = "
        "(select written_at from pgbackstop.heartbeat order by 1 offset 4 limit 1)"
    )
    beat(single)
    single.caught_up()
    proof = drill(single, "--physical")
    assert (proof.status, proof.reason) == (Status.FAILED, Reason.CORRUPT)
    assert "is lost, and later ones are there" in proof.message
    assert proof.proven_until is None


def test_a_segment_that_is_gone_from_a_claimed_window_fails_the_drill(single: Primary) -> None:
    """The index still has it: the window claims what cannot be replayed, and the drill says so."""
    moment = newest(single)
    backup = single.site.newest()
    opened = single.site.workspace
    entries = archive_reader.read(opened, "main").entries.values()
    newest_one = max((entry for entry in entries if entry.is_segment), key=lambda entry: entry.name)
    damaged = single.archive / newest_one.path
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    proof = drill(single, "--time", moment.isoformat())
    assert (proof.status, proof.reason) == (Status.FAILED, Reason.CORRUPT), proof.message
    assert backup.id in proof.message
    assert newest_one.name in proof.message
    assert proof.target_time is not None


def test_a_base_backup_that_is_damaged_is_named(single: Primary) -> None:
    backup = single.site.newest()
    base = next(single.site.path(backup).glob("base.tar*"))
    content = bytearray(base.read_bytes())
    content[len(content) // 2] ^= 1
    base.write_bytes(content)
    proof = drill(single, "--physical")
    assert (proof.status, proof.reason) == (Status.FAILED, Reason.CORRUPT)
    assert backup.id in proof.message


def test_heartbeats_that_only_the_live_server_has(single: Primary) -> None:
    """The archive lost its end, and the window is believed further than it goes: a drill to it shows it."""
    before = newest(single)
    single.stop_receiver()
    later = before + timedelta(seconds=60)
    single.server.execute(
        f"insert into pgbackstop.heartbeat select '{later - timedelta(seconds=30)}', max(written_at) "
        "from pgbackstop.heartbeat"
    )
    state = single.site.catalog.root / "state" / "wal" / "main.json"
    document = json.loads(state.read_text())
    document["recoverable_until"] = later.astimezone(UTC).isoformat()
    state.write_text(json.dumps(document))
    proof = drill(single, "--time", later.isoformat())
    assert proof.status is Status.FAILED
    ok, detail = check(proof, "heartbeats")
    assert not ok
    assert "and the live server has one at" in detail
    assert proof.rpo_seconds is not None
    assert proof.rpo_seconds > 30
