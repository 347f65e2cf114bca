"""The WAL archive is read again by what the daemon starts each night; a damaged segment is told as a gap."""

from pathlib import Path

from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_runner.wal import readings
from tests.integration.exporter.running import Exporter
from tests.integration.wal.rig import Rig

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


def test_a_flipped_bit_of_the_archive_is_a_gap_until_it_is_put_back(rig: Rig) -> None:
    rig.more = {"verify": READ_NOW}
    rig.pauses = {"pgbackstop_runner.wal.maintenance.NAMES_INTERVAL": 1.0}
    rig.start()
    rig.streaming()
    first = rig.fill(3)
    rig.arrived(first)
    good = rig.command("verify", "--due")
    assert good.returncode == 0, good.stderr
    assert "of the WAL of main" in good.stdout
    assert reasons(rig.until("a state", lambda each: each.segments)) == []
    damaged = rig.entries()[rig.segments()[0]]
    before = flip(rig.archive / damaged.path)
    found = rig.command("verify", "--due")
    assert found.returncode == 8
    assert f"segment {damaged.name} is not what was archived" in found.stderr
    wanted = [(damaged.name, "it was read back and is damaged")]
    state = rig.until("the gap", lambda each: reasons(each) == wanted, 180.0)
    assert state.base_backup_wanted_since is not None
    assert f"{damaged.name} to {damaged.name}" in rig.command("window", "main").stdout
    with Exporter(rig.configure()) as exporter:
        name = "backup_wal_oldest_verification_timestamp_seconds"
        page = exporter.until_page(lambda each: bool(each.values(name)))
        known = readings.read(rig.catalog / "state" / "wal_readings" / "main.json")
        assert known is not None
        assert known.oldest is not None
        assert page.value(name, server="main") == known.oldest.timestamp()
    (rig.archive / damaged.path).write_bytes(before)
    assert rig.command("verify", "--due").returncode == 0
    rig.until("no gap", lambda each: not reasons(each), 180.0)
