"""What a server can be recovered to, and which proofs stand in each of its windows."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import Segment, WalGap, WalState
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner import main
from pgbackstop_runner.recover import recoverable_windows
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import NOW
from tests.unit.runner import places

BACKUP = factories.physical(1, NOW)
WINDOW = Window(
    start=NOW, end=NOW + timedelta(hours=1), ends="received", reason="", backup=BACKUP.id, timeline=1
)


def drill(number: int, until: datetime | None, **changes: Any) -> Proof:
    """A drill of a base backup that recovered to that moment."""
    made = Proof.of(BACKUP, "drill", started_at=NOW)
    facts = {"id": f"{NOW:%Y%m%dT%H%M%SZ}-{number:06x}", "status": Status.SUCCEEDED, "proven_until": until}
    return made.evolve(**{**facts, **changes})


MOMENTS = st.integers(-60, 120).map(lambda minutes: NOW + timedelta(minutes=minutes))


@given(st.lists(st.none() | MOMENTS))
def test_the_drill_that_got_furthest_into_the_window(moments: list[datetime | None]) -> None:
    drills = [drill(number, until) for number, until in enumerate(moments)]
    furthest = recoverable_windows.furthest_drill(WINDOW, drills)
    inside = [until for until in moments if until is not None and WINDOW.start <= until <= WINDOW.end]
    assert (furthest.proven_until if furthest else None) == max(inside, default=None)


def test_of_two_drills_to_one_moment_the_later_one_counts() -> None:
    drills = [drill(number, NOW) for number in (1, 3, 2)]
    assert recoverable_windows.furthest_drill(WINDOW, drills) == drills[1]


@pytest.mark.parametrize(
    "changes",
    [{"proof": "verify"}, {"backup_type": "logical"}, {"status": Status.FAILED}, {"status": Status.RUNNING}],
)
def test_what_proves_no_moment(changes: dict[str, Any]) -> None:
    assert recoverable_windows.furthest_drill(WINDOW, [drill(1, NOW, **changes)]) is None


def test_the_newest_backup_of_the_window_that_was_read_back() -> None:
    minutes_and_changes: list[tuple[int, dict[str, Any]]] = [
        (-1, {"verified_at": NOW}),  # before the window
        (0, {"verified_at": NOW}),
        (10, {"verified_at": NOW}),
        (20, {"verified_at": NOW, "expired_at": NOW}),
        (30, {}),  # never read back
        (61, {"verified_at": NOW}),  # after the window
    ]
    backups = [
        factories.physical(number, NOW + timedelta(minutes=minutes), **changes)
        for number, (minutes, changes) in enumerate(minutes_and_changes)
    ]
    assert recoverable_windows.newest_verified(WINDOW, backups) == backups[2]
    assert recoverable_windows.newest_verified(WINDOW, backups[3:]) is None


def proven(backup: Backup, minute: float) -> Proof:
    return Proof.of(backup, "drill", started_at=NOW).evolve(
        status=Status.SUCCEEDED, proven_until=places.minute(minute)
    )


def test_the_windows_of_a_server_with_a_gap_between_them(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    first, second = (places.base_backup(number, verified_at=NOW) for number in (4, 20))
    for backup in (first, second):
        opened.catalog.put(backup)
    last = proven(second, 22)
    for proof in (last, proven(first, 6).evolve(server="other")):
        opened.catalog.put(proof)
    gap = WalGap(
        timeline=1,
        first=Segment(timeline=1, number=10).name(),
        last=Segment(timeline=1, number=18).name(),
        segments=9,
        found_at=NOW,
    )
    state = WalState(
        server="main", method="stream", status="stopped", started_at=NOW, updated_at=NOW, gaps=(gap,)
    )
    places.archived(opened, 1, 9)
    places.archived(opened, 19, 25, state=state)

    found = recoverable_windows.read(opened, "main")
    assert [(span.window.start, span.window.end) for span in found.spans] == [
        (places.minute(4), places.minute(9)),
        (places.minute(20), places.minute(25)),
    ]
    assert [span.drill for span in found.spans] == [None, last]
    assert [span.verified for span in found.spans] == [first, second]
    assert (found.server, found.gaps) == ("main", (gap,))


def test_a_server_without_backups_and_one_that_is_not_there(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    found = recoverable_windows.read(opened, "main")
    assert (found.spans, found.gaps) == ((), ())
    with pytest.raises(errors.NotFound, match="no server 'other'"):
        recoverable_windows.read(opened, "other")


def test_a_proof_whose_backup_has_expired_is_not_taken_for_none(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    opened.file.write_text("servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n")
    gone, kept = (places.base_backup(number) for number in (4, 20))
    opened.catalog.put(gone.evolve(expired_at=NOW))
    opened.catalog.put(kept)
    places.archived(opened, 19, 25)
    assert window_of(opened) == "no drill yet"
    opened.catalog.put(proven(gone, 6))
    said = window_of(opened)
    assert said.startswith("expired")
    assert "none of what is kept was drilled; the last proof, to 2026-11-22T12:06:00" in said
    opened.catalog.put(proven(kept, 22))
    assert "expired" not in window_of(opened)


def window_of(opened: Workspace) -> str:
    """What stands under PROVEN UNTIL, and what follows the table."""
    argv = ["--config", str(opened.file), "window"]
    _, row, *more = CliRunner().invoke(main.app, argv, catch_exceptions=False).stdout.splitlines()
    cell = row.partition("Z  ")[2].partition("Z  ")[2].split("  ")[0]
    return " ".join([cell, *more]).strip()
