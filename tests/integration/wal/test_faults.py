"""What happens to users of WAL archives, provoked for real: kills, lost slots, lost files, full disks."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.model import utc_now
from tests.integration.wal.conftest import MakeRig
from tests.integration.wal.receiver import DEADLINE, Receiver, wait_for
from tests.support import places
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

# The smallest that PostgreSQL takes: WAL that nobody needs is gone with the next checkpoints.
FORGETFUL = {"min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "0"}


def outlive(receiver: Receiver, count: int = 5) -> str:
    """Write WAL and have the server remove all that it may; returns the newest segment's name."""
    name = ""
    for _ in range(count):
        name = receiver.fill()
        receiver.server.execute("checkpoint")
    return name


@pytest.mark.slow
def test_kills_of_the_receiver_leave_no_gap_and_no_duplicate(receiver: Receiver) -> None:
    last = ""
    for round_ in range(5):
        process = receiver.start()
        receiver.streaming()
        child = receiver.receivewal
        last = receiver.fill(3)
        # Sooner and later after the segments were completed: before, while and after they are taken in.
        time.sleep(0.03 * round_)
        assert receiver.stop(signal.SIGKILL) == -signal.SIGKILL
        assert child is not None
        child.wait(DEADLINE)  # the kernel ends it with its parent
        assert process.poll() is not None
    with (receiver.archive / "index.jsonl").open("ab") as index:
        index.write(b'{"name":"0000000100000000000000')
    receiver.start()
    receiver.streaming()
    receiver.arrived(last)
    receiver.arrived(receiver.fill())
    state = receiver.until("all are counted", lambda state: state.segments == len(receiver.segments()))
    assert state.gaps == ()
    assert state.base_backup_wanted_since is None
    receiver.stop()
    receiver.whole()


def test_kills_of_pg_receivewal_are_survived(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    for _ in range(3):
        child = wait_for("pg_receivewal runs", lambda: receiver.receivewal)
        receiver.server.execute("create table if not exists t as select 1 as a")
        receiver.server.execute(
            "insert into t select generate_series(1, 20000)"
        )  # a .partial with something in it
        child.kill()
        receiver.arrived(receiver.fill(2))
    state = receiver.until(
        "it streams", lambda state: state.status == "streaming" and not state.message and state.failures >= 3
    )
    assert state.failures <= 12  # no crash loop
    assert state.gaps == ()
    receiver.stop()
    receiver.whole()


def test_a_dropped_slot_costs_nothing_while_the_server_still_has_the_wal(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    receiver.arrived(receiver.fill(2))
    receiver.stop()
    receiver.drop_slot()
    last = receiver.fill(3)
    receiver.start()
    receiver.arrived(last)
    assert receiver.streaming().gaps == ()
    receiver.stop()
    receiver.whole()


@pytest.mark.parametrize("how", ["dropped", "invalidated"])
def test_a_lost_slot_is_one_gap_and_a_new_base_backup_heals_it(
    make_rig: MakeRig, make_server: MakeServer, how: str
) -> None:
    settings = FORGETFUL if how == "dropped" else {**FORGETFUL, "max_slot_wal_keep_size": "32MB"}
    receiver = make_rig(make_server(settings=settings))
    receiver.start()
    receiver.streaming()
    receiver.base_backup_record()
    before = receiver.fill(2)
    receiver.arrived(before)
    receiver.stop()
    if how == "dropped":
        receiver.drop_slot()
    outlive(receiver, 8)
    if how == "invalidated":
        query = "select wal_status from pg_replication_slots"
        wait_for("the slot is lost", lambda: receiver.server.execute(query) == [("lost",)])
    receiver.start()
    state = receiver.until("the gap is on record", lambda state: state.gaps)
    receiver.streaming()
    last = receiver.fill(2)
    receiver.arrived(last)
    later = utc_now() + timedelta(
        seconds=2
    )  # a crash loop, or a second record of the same gap, shows by then
    state = receiver.until(
        "it streams on",
        lambda state: (
            state.status == "streaming" and not state.message and (state.last_reply_at or later) > later
        ),
    )
    assert len(state.gaps) == 1
    gap = state.gaps[0]
    assert gap.first == f"{before[:16]}{int(before[16:], 16) + 1:08X}"
    assert state.missing_segments == gap.segments >= 1
    assert state.base_backup_wanted_since == gap.found_at
    assert state.failures <= 3
    missing = set(range(int(gap.first[16:], 16), int(gap.last[16:], 16) + 1))
    assert not missing & {int(name[16:], 16) for name in receiver.segments()}
    heals(receiver)


def heals(receiver: Receiver) -> None:
    """A base backup that starts now makes the gap harmless, for good, and begins a window."""
    backup = receiver.base_backup_record()
    healed = receiver.until("the gap is harmless", lambda state: state.base_backup_wanted_since is None)
    assert healed.missing_segments == 0
    assert healed.gaps[0].acknowledged_by == healed.last_base_backup == backup.id
    receiver.stop()
    receiver.start()
    again = receiver.streaming()
    assert again.gaps == healed.gaps
    report = json.loads(receiver.command("wal", "status", "--json").stdout)[0]
    assert [each["ends"] for each in report["windows"]] == ["gap", "received"]
    assert report["windows"][0]["end"] < report["windows"][1]["start"]
    assert healed.gaps[0].first in report["windows"][0]["reason"]


def test_a_deleted_segment_is_a_gap_until_it_is_back(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    receiver.arrived(receiver.fill(4))
    receiver.stop()
    victim = receiver.segments()[1]
    path = receiver.archive / receiver.entries()[victim].path
    kept = receiver.folder / path.name
    shutil.move(path, kept)
    receiver.start()
    receiver.streaming()
    state = receiver.until("the loss is seen", lambda state: state.gaps)
    assert [(gap.first, gap.last) for gap in state.gaps] == [(victim, victim)]
    assert "deleted" in state.gaps[0].reason
    receiver.stop()
    shutil.move(kept, path)
    receiver.start()
    receiver.streaming()
    receiver.until(
        "it is whole again", lambda state: not state.gaps and state.base_backup_wanted_since is None
    )


def test_other_content_is_kept_aside_and_archiving_goes_on(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    receiver.arrived(receiver.fill(2))
    receiver.stop()
    name = receiver.segments()[0]
    stored = receiver.archive / receiver.entries()[name].path
    before = stored.read_bytes()
    raw = subprocess.run(["lz4", "-dcq", stored], capture_output=True, check=True).stdout
    other = receiver.archive / "receiving" / name
    other.write_bytes(raw[:-100] + b"\1" * 100)
    same = receiver.archive / "receiving" / f"{receiver.segments()[1]}.zst"
    again = subprocess.run(
        ["lz4", "-dcq", receiver.archive / receiver.entries()[receiver.segments()[1]].path],
        capture_output=True,
        check=True,
    )
    same.write_bytes(
        subprocess.run(["zstd", "-cq"], input=again.stdout, capture_output=True, check=True).stdout
    )
    receiver.start()
    receiver.streaming()
    state = receiver.until("the conflict is on record", lambda state: state.conflicts)
    assert [conflict.name for conflict in state.conflicts] == [name]
    assert (receiver.archive / state.conflicts[0].kept_as).read_bytes() == raw[:-100] + b"\1" * 100
    assert stored.read_bytes() == before
    assert not same.exists()
    receiver.arrived(receiver.fill())
    assert f"{name} arrived again with other content" in receiver.command("wal", "status").stdout
    receiver.stop()
    receiver.whole()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 96 MB; it can be remounted larger."""
    folder = places.make()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
@pytest.mark.root
def test_a_full_disk_is_waited_out(make_rig: MakeRig, private_server: Server, small_disk: Path) -> None:
    receiver = make_rig(private_server)
    receiver.store.symlink_to(small_disk)
    receiver.start()
    receiver.streaming()
    receiver.arrived(receiver.fill())
    private_server.execute("create table noise (a text)")
    for _ in range(12):  # about 16 MB of WAL each, of which lz4 leaves two thirds
        private_server.execute(
            "insert into noise select md5(random()::text) || md5(random()::text)"
            " from generate_series(1, 120000)"
        )
    state = receiver.until(
        "the disk is full", lambda state: state.status == "down" and "full" in state.message
    )
    assert "Make room" in state.message
    assert receiver.process is not None
    assert receiver.process.poll() is None
    subprocess.run(["mount", "-o", "remount,size=600m", small_disk], check=True)
    receiver.arrived(receiver.fill())
    state = receiver.until("it streams", lambda state: state.status == "streaming" and not state.message)
    assert state.gaps == ()
    receiver.stop()
    receiver.whole()
