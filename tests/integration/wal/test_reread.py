"""The WAL archive is read again by what the daemon starts each night; a damaged segment is told as a gap."""

from pathlib import Path

from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_runner.wal import readings
from tests.integration.exporter.running import Exporter
from tests.integration.wal.receiver import Receiver

READ_NOW = {"interval": "0s"}


def flip(path: Path) -> bytes:
    """One bit in the middle; returns what it was before."""
    content = path.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 0x10
    path.write_bytes(changed)
    return content


def reasons(state: WalState) -> list[tuple[str, str]]:
    return [(gap.first, gap.reason) for gap in state.gaps]


def test_a_flipped_bit_of_the_archive_is_a_gap_until_it_is_put_back(receiver: Receiver) -> None:
    receiver.more = {"verify": READ_NOW}
    receiver.pauses = {"pgbackstop_runner.wal.maintenance.NAMES_INTERVAL": 1.0}
    receiver.start()
    receiver.streaming()
    first = receiver.fill(3)
    receiver.arrived(first)
    good = receiver.command("verify", "--due")
    assert good.returncode == 0, good.stderr
    assert "of the WAL of main" in good.stdout
    assert reasons(receiver.until("a state", lambda each: each.segments)) == []
    damaged = receiver.entries()[receiver.segments()[0]]
    before = flip(receiver.archive / damaged.path)
    found = receiver.command("verify", "--due")
    assert found.returncode == 8
    assert f"segment {damaged.name} is not what was archived" in found.stderr
    wanted = [(damaged.name, "it was read back and is damaged")]
    state = receiver.until("the gap", lambda each: reasons(each) == wanted, 180.0)
    assert state.base_backup_wanted_since is not None
    assert f"{damaged.name} to {damaged.name}" in receiver.command("window", "main").stdout
    with Exporter(receiver.configure()) as exporter:
        name = "backup_wal_oldest_verification_timestamp_seconds"
        page = exporter.until_page(lambda each: bool(each.values(name)))
        known = readings.read(receiver.catalog / "state" / "wal_readings" / "main.json")
        assert known is not None
        assert known.oldest is not None
        assert page.value(name, server="main") == known.oldest.timestamp()
    (receiver.archive / damaged.path).write_bytes(before)
    assert receiver.command("verify", "--due").returncode == 0
    receiver.until("no gap", lambda each: not reasons(each), 180.0)
