"""An answer that a backup is safe has looked at every backup of the run."""

from typing import Any

import pytest

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console.api import acting
from pgbackstop_runner.console.api.models import BackupAsked, MadeBackup, Operation, PinAsked

PLAIN, PINNED = BackupAsked(plan="shop"), BackupAsked(plan="shop", pin=PinAsked())


def made(number: int, **changes: Any) -> MadeBackup:
    facts: dict[str, Any] = {
        "id": f"20261122T020000Z-{number:06x}",
        "database": "shop",
        "status": "succeeded",
        "message": "",
        "size_bytes": 1,
        "verified_at": utc_now(),
        "pinned": True,
        "left_out": (),
        "warnings": (),
    }
    return MadeBackup.model_validate({**facts, **changes})


GOOD = made(1)


@pytest.mark.parametrize(
    ("asked", "backups", "verifies", "problem"),
    [
        (PINNED, (GOOD, made(2)), True, ""),
        (PLAIN, (GOOD, made(2, pinned=False)), True, ""),
        (PLAIN, (GOOD, made(2, verified_at=None)), False, ""),
        (PLAIN, (), True, "none is on record"),
        (PLAIN, (GOOD, made(2, verified_at=None)), True, "could not be read back"),
        (PINNED, (GOOD, made(2, pinned=False)), True, "not pinned"),
    ],
)
def test_what_is_lacking(
    asked: BackupAsked, backups: tuple[MadeBackup, ...], verifies: bool, problem: str
) -> None:
    said = acting.lacking(operation(backups), asked, verifies=verifies)
    assert problem in said
    assert bool(problem) == bool(said)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"backups": (GOOD, made(2, message="The disk is full."))}, "The disk is full"),
        ({"output": "ts=1 level=info\npgbackstop: It runs already.\n  → Wait."}, "It runs already"),
        ({"meaning": "the operation failed"}, "the operation failed"),
        ({"exit_code": -9}, "it was ended by a signal"),
    ],
)
def test_why_it_did_not_succeed(changes: dict[str, Any], reason: str) -> None:
    assert acting.why(operation((GOOD,), meaning="").evolve(**changes)) == reason


def operation(backups: tuple[MadeBackup, ...], meaning: str = "done") -> Operation:
    return Operation(
        id="1",
        verb="backup",
        subject="shop",
        state="succeeded",
        started_by="token deploy",
        started_at=utc_now(),
        finished_at=utc_now(),
        exit_code=0,
        meaning=meaning,
        cancelled_by="",
        output="",
        backups=backups,
    )
