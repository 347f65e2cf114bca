"""Exit codes and reasons."""

from datetime import UTC, datetime

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup, Reason, Status, new_id
from pgbackstop_runner import failures

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def made(reason: Reason | None) -> Backup:
    return Backup(
        id=new_id(NOW),
        plan="p",
        server="s",
        backup_type="logical",
        status=Status.SUCCEEDED if reason is None else Status.FAILED,
        reason=reason,
        started_at=NOW,
    )


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ([None, None], 0),
        ([Reason.UNREACHABLE], 6),
        ([Reason.UNREACHABLE, Reason.UNREACHABLE], 6),
        ([Reason.RIGHTS, Reason.CONFIGURATION, Reason.CLIENT], 3),
        ([Reason.SPACE, Reason.STORAGE], 5),
        ([Reason.TOOL], 1),
        ([Reason.INTERNAL], 1),
        ([Reason.UNREACHABLE, None], 1),
        ([Reason.UNREACHABLE, Reason.SPACE], 1),
        ([], 1),
    ],
)
def test_exit_code(reasons: list[Reason | None], code: int) -> None:
    assert failures.exit_code(map(made, reasons)) == code


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failures.AttemptFailed(Reason.SPACE, "Full."), Reason.SPACE),
        (failures.DatabaseRefused(Reason.RIGHTS, "No."), Reason.RIGHTS),
        (errors.ServerUnreachable("Gone."), Reason.UNREACHABLE),
        (errors.Interrupted("Ended."), Reason.INTERRUPTED),
        (errors.PgbackstopError("What?"), Reason.INTERNAL),
    ],
)
def test_first_reason(error: errors.PgbackstopError, reason: Reason) -> None:
    assert failures.first_reason(error) is reason
