"""What becomes of the stream when another server is the primary: its timeline, and its slots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pgbackstop_catalog.decisions import wal_segments
from tests.integration.wal.receiver import Receiver, wait_for
from tests.support import binaries
from tests.support.fixtures import MakeServer
from tests.support.servers import Server
from tests.support.standbys import ship, standby_of

SEGMENT_BYTES = 16 * 2**20


@contextmanager
def rig_of(server: Server) -> Iterator[Receiver]:
    made = Receiver(server=server)
    try:
        yield made
    finally:
        made.close()


def position_after(name: str) -> str:
    """Where the segment after this one begins."""
    return wal_segments.format_lsn(wal_segments.Segment.parse(name).next().number * SEGMENT_BYTES)


def promoted(standby: Server) -> None:
    assert standby.execute("select pg_promote()") == [(True,)]


@pytest.mark.parametrize("major", binaries.EDGES)
def test_a_promotion_at_the_end_of_a_segment(major: int, make_server: MakeServer) -> None:
    """The new timeline begins where the archive ends: nothing is missing, nothing comes twice.

    The standby gets whole segments and no stream, so that its last record is the last one of a segment.
    """
    primary = make_server(major)
    with standby_of(primary, streams=False) as standby, rig_of(primary) as receiver:
        receiver.start()
        receiver.streaming()
        last = receiver.fill(3)
        receiver.arrived(last)
        receiver.stop()
        primary.stop("immediate")
        ship(primary, standby, last)
        boundary = position_after(last)
        query = f"select pg_last_wal_replay_lsn() >= '{boundary}'"
        wait_for("all is replayed", lambda: standby.execute(query) == [(True,)])
        promoted(standby)
        receiver.server = standby
        receiver.start()
        new = receiver.fill(2)
        receiver.arrived(new)
        state = receiver.until(
            "it follows", lambda state: state.timeline == 2 and state.status == "streaming"
        )
        history = wal_segments.parse_history((receiver.archive / "00000002.history").read_text())
        assert history is not None
        assert wal_segments.format_lsn(history.lsn) == boundary
        assert state.gaps == ()
        assert "was promoted where the received WAL ends" in receiver.errors.read_text()
        assert (
            f"the new primary, on timeline 2, had no replication slot {receiver.slot}"
            in receiver.errors.read_text()
        )
        receiver.stop()
        receiver.whole()


def test_a_slot_that_did_not_come_with_a_failover_is_told_as_that(make_server: MakeServer) -> None:
    """Its WAL is gone by the time that the receiver finds the new primary."""
    forgetful = {"min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "0"}
    primary = make_server(17, settings=forgetful)
    with standby_of(primary) as standby, rig_of(primary) as receiver:
        receiver.start()
        receiver.streaming()
        receiver.arrived(receiver.fill(2))
        receiver.stop()
        primary.stop("immediate")
        promoted(standby)
        receiver.server = standby
        for _ in range(6):
            receiver.fill()
            standby.execute("checkpoint")
        receiver.start()
        state = receiver.until("the gap is on record", lambda state: state.gaps)
        receiver.streaming()
        assert state.gaps[0].reason.startswith("the new primary, on timeline 2, had no replication slot")
        assert "dropped" not in state.gaps[0].reason
