"""WAL that a further storage needs and lacks stays here, within a limit that is told when it is reached."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_holds import WalHold
from pgbackstop_catalog.decisions.wal_readings import DamagedSegment, WalReadings
from pgbackstop_catalog.decisions.wal_segments import WalSegment
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.pin import Pin
from pgbackstop_runner.expire import wal, wal_holds
from pgbackstop_runner.wal import index, readings
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.copying import Copying


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is free on the disk of the tests."""
    monkeypatch.setattr(wal_holds, "LEAST_FREE", 0.0)


@pytest.fixture
def copying(tmp_path: Path) -> Copying:
    """Segments 1 to 4 are in the storage, which was away when 5 to 8 were archived."""
    made = Copying(tmp_path, keep={"last": 9})
    made.backup(1, 1)
    made.archived(1, 2, 3, 4)
    made.look()
    away(made)
    made.archived(5, 6, 7, 8)
    assert made.look().status == "down"
    return made


def away(copying: Copying) -> None:
    (copying.folder / "offsite").rename(copying.folder / "away")


def back(copying: Copying) -> None:
    shutil.rmtree(copying.folder / "offsite", ignore_errors=True)
    (copying.folder / "away").rename(copying.folder / "offsite")


def only_newest_stays(copying: Copying) -> None:
    """The first backup expires on the host; its copy is kept by the storage."""
    record = copying.backup(9, 8, copied=False)
    (first,) = [each for each in copying.workspace.catalog.backups(record.plan) if each.id != record.id]
    copying.workspace.catalog.put(first.evolve(expired_at=utc_now()))


def expire(copying: Copying) -> tuple[int, tuple[str, ...]]:
    return wal.run(copying.workspace, "main")


def here(copying: Copying) -> list[int]:
    entries = index.read(copying.workspace.wal_archive("main"))
    assert all((copying.workspace.wal_archive("main") / each.path).is_file() for each in entries)
    return [int(each.name[16:], 16) for each in entries]


def hold(copying: Copying) -> WalHold:
    return codec.read(WalHold, copying.workspace.state.wal_hold("offsite", "main"))


def set_limit(copying: Copying, seconds: float) -> None:
    workspace = copying.workspace
    server = workspace.config.servers["main"]
    changed = server.evolve(wal=server.wal.evolve(hold_for_copies=seconds))
    object.__setattr__(workspace, "config", workspace.config.evolve(servers={"main": changed}))


def test_what_the_storage_lacks_stays_until_it_is_there(copying: Copying) -> None:
    only_newest_stays(copying)
    assert expire(copying) == (4, ())
    assert here(copying) == [5, 6, 7, 8]
    assert (hold(copying).segments, hold(copying).given_up, hold(copying).given_up_at) == (2, 0, None)
    back(copying)
    state = copying.look()
    assert (state.status, state.missing_segments) == ("copying", 0)
    assert copying.there() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert expire(copying) == (2, ())
    assert here(copying) == [7, 8]
    assert hold(copying).segments == 0


def test_a_storage_whose_copies_go_with_their_backups_keeps_nothing_here(tmp_path: Path) -> None:
    copying = Copying(tmp_path)
    copying.backup(1, 1)
    copying.archived(1, 2, 3, 4)
    copying.look()
    away(copying)
    copying.archived(5, 6, 7, 8)
    only_newest_stays(copying)
    assert expire(copying) == (6, ())
    assert not copying.workspace.state.wal_hold("offsite", "main").exists() or not hold(copying).segments


def test_what_a_pin_holds_there_waits_for_its_wal(tmp_path: Path) -> None:
    copying = Copying(tmp_path)
    record = copying.backup(1, 1)
    copying.archived(1, 2, 3, 4)
    copying.look()
    away(copying)
    copying.archived(5, 6, 7, 8)
    only_newest_stays(copying)
    expired = copying.workspace.catalog.backup(record.id)
    copying.workspace.catalog.put(expired.evolve(pinned=Pin(at=utc_now(), operator="ann")))
    assert expire(copying) == (4, ())
    assert here(copying) == [5, 6, 7, 8]


def test_what_is_damaged_there_waits_to_be_sent_again(copying: Copying) -> None:
    found = DamagedSegment(name=makers.name(3), found_at=utc_now())
    known = WalReadings(server="main", storage="offsite", updated_at=utc_now(), damaged=(found,))
    readings.write(copying.workspace.state.wal_copy_readings("offsite", "main"), known)
    only_newest_stays(copying)
    assert expire(copying) == (2, ())
    assert here(copying) == [3, 4, 5, 6, 7, 8]


def test_past_the_limit_it_goes_and_that_is_told(copying: Copying) -> None:
    only_newest_stays(copying)
    set_limit(copying, 0)
    removed, (problem,) = expire(copying)
    assert removed == 6
    assert here(copying) == [7, 8]
    assert f"before offsite had it (2 segments, {makers.name(5)} to {makers.name(6)})" in problem
    assert "wal.hold_for_copies" in problem
    assert (hold(copying).segments, hold(copying).given_up) == (0, 2)
    assert hold(copying).given_up_at is not None
    assert expire(copying) == (0, ())
    assert hold(copying).given_up == 2
    back(copying)
    assert copying.look().missing_segments == 2


def test_where_the_disk_is_nearly_full_nothing_waits(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_newest_stays(copying)
    monkeypatch.setattr(wal_holds, "LEAST_FREE", 1.1)
    removed, (problem,) = expire(copying)
    assert removed == 6
    assert "the disk of the archive has less than 110% free" in problem


def test_the_archive_is_trimmed_from_its_beginning_alone(copying: Copying) -> None:
    """What lies behind a segment that waits stays, too: a hole would be taken for a loss."""
    back(copying)
    lacking = makers.name(3)
    index.remove(copying.workspace.state.wal_copy_index("offsite", "main"), {lacking})
    only_newest_stays(copying)
    assert expire(copying) == (2, ())
    assert here(copying) == [3, 4, 5, 6, 7, 8]


def test_a_storage_that_refuses_a_segment_waits_for_none(tmp_path: Path) -> None:
    copying = Copying(tmp_path, keep={"last": 9})
    copying.backup(1, 1)
    copying.archived(1, 2)
    copying.path(2).parent.mkdir(parents=True)
    copying.path(2).write_bytes(b"another")
    assert copying.look().conflicts == (makers.name(2),)
    copying.archived(3, 4, 5, 6, 7, 8)
    copying.look()
    only_newest_stays(copying)
    assert expire(copying) == (6, ())


def test_a_storage_without_a_base_backup_waits_for_nothing(tmp_path: Path) -> None:
    copying = Copying(tmp_path, keep={"last": 9})
    copying.backup(1, 1, copied=False)
    copying.archived(1, 2, 3, 4, 5, 6, 7, 8)
    only_newest_stays(copying)
    assert expire(copying) == (6, ())


def test_young_and_old(copying: Copying) -> None:
    """What was archived before the limit goes, what came later stays."""
    archive = copying.workspace.wal_archive("main")
    old = [each for each in index.read(archive) if each.name == makers.name(5)]
    index.remove(archive, {makers.name(5)})
    aged = [each._replace(archived_at=utc_now() - timedelta(days=15)) for each in old]
    index.append(archive, (WalSegment(**each._asdict()) for each in aged))
    only_newest_stays(copying)
    removed, (problem,) = expire(copying)
    assert removed == 5
    assert sorted(here(copying)) == [6, 7, 8]
    assert "(1 segment," in problem
    assert hold(copying).segments == 1
