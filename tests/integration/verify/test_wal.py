"""The WAL that follows a physical backup: read with it, and damage in it found."""

import json
from collections.abc import Iterator

import pytest
import zstandard

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store.wal_index import Index
from pgbackstop_runner.verify import run
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Primary
from tests.integration.verify import damage
from tests.support import binaries
from tests.support.backups import sentence
from tests.support.servers import Server


@pytest.fixture(scope="module")
def primary() -> Iterator[Primary]:
    """A backup with four segments after it; the receiver has stopped."""
    try:
        programs = binaries.reachable(binaries.DEFAULT_MAJOR)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))
    with Server(programs, settings=primaries.SETTINGS) as server:
        server.execute(primaries.BEATS)
        made = Primary(server, wal_settings={"compression": "zstd"})
        try:
            made.receive()
            made.backup()
            for number in range(4):
                made.beat(number, number)
                made.switch()
            made.caught_up()
            made.stop_receiver()
            yield made
        finally:
            made.close()


def entries(primary: Primary) -> list[Entry]:
    return [each for each in Index(primary.archive).refresh().values() if each.is_segment]


def check(primary: Primary, *, whole: bool) -> Proof:
    (outcome,) = run.plan(primary.site.workspace, "base", [primary.site.newest()], whole=whole)
    assert outcome.backup.status is Status.SUCCEEDED
    return outcome.proof


def detail(proof: Proof) -> str:
    return next(each.detail for each in proof.checks if each.name == "wal archive")


def test_it_is_read_to_the_end_of_the_window(primary: Primary) -> None:
    own, everything = check(primary, whole=False), check(primary, whole=True)
    assert {own.status, everything.status} == {Status.SUCCEEDED}
    assert own.read_bytes is not None
    assert everything.read_bytes is not None
    (window,) = json.loads(primary.site.run("window", "--json").stdout)
    for proof in (own, everything):
        assert f"it leads to {window['end']}" in detail(proof)
    after = sum(each.size_bytes for each in entries(primary)[-3:])
    assert everything.read_bytes >= own.read_bytes + after


def _is_fixed(primary: Primary, entry: Entry) -> None:
    """The index says of the damaged segment what it is now."""
    content = (primary.archive / entry.path).read_bytes()
    path = primary.archive / wal_segments.INDEX_NAME
    fixed = damage.sha256(content)
    path.write_text(path.read_text().replace(entry.sha256, fixed))


@pytest.mark.parametrize("damaged", [damage.flip, damage.cut, damage.remove, damage.cut_frame])
def test_a_damaged_segment_is_found_and_the_backup_stays(primary: Primary, damaged: damage.Damage) -> None:
    entry = entries(primary)[-2]
    path = primary.archive / entry.path
    content = path.read_bytes()
    try:
        damaged(path)
        done = primary.site.run("verify")
        assert done.returncode == errors.Corrupt.exit_code
        assert "The WAL archive is damaged, the backup is not" in sentence(done)
        assert entry.name in sentence(done)
        assert primary.site.newest().status is Status.SUCCEEDED
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("damaged", [damage.flip, damage.cut_frame])
def test_where_the_index_says_the_same(primary: Primary, damaged: damage.Damage) -> None:
    entry = entries(primary)[-2]
    path, index = primary.archive / entry.path, primary.archive / wal_segments.INDEX_NAME
    content, lines = path.read_bytes(), index.read_bytes()
    assert zstandard.get_frame_parameters(content).has_checksum
    try:
        damaged(path)
        _is_fixed(primary, entry)
        proof = check(primary, whole=True)
        assert proof.status is Status.FAILED
        assert f"segment {entry.name}" in detail(proof)
    finally:
        path.write_bytes(content)
        index.write_bytes(lines)


def test_the_window_says_what_is_proven(primary: Primary) -> None:
    check(primary, whole=False)
    backup = primary.site.newest()
    (window,) = json.loads(primary.site.run("window", "--json").stdout)
    assert (window["verified_backup"], window["proven_until"]) == (backup.id, None)
    assert backup.verified_at is not None
    assert window["verified_at"] == format_time(backup.verified_at)
    assert "no drill yet" in primary.site.run("window").stdout

    now = utc_now()
    assert backup.finished_at is not None
    drill = Proof(
        id=new_id(now),
        proof="drill",
        backup=backup.id,
        plan=backup.plan,
        server=backup.server,
        backup_type="physical",
        status=Status.SUCCEEDED,
        started_at=now,
        finished_at=now,
        proven_until=backup.finished_at,
    )
    primary.site.catalog.put(drill)
    try:
        (window,) = json.loads(primary.site.run("window", "--json").stdout)
        assert (window["proven_until"], window["proven_by"]) == (format_time(backup.finished_at), drill.id)
        assert format_time(backup.finished_at) in primary.site.run("window").stdout
    finally:
        primary.site.catalog.path(drill).unlink()
