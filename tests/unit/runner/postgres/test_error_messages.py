"""The reason and the remedy that last words of a tool lead to."""

import pytest

from pgbackstop_catalog.records.backup import Reason
from pgbackstop_runner.postgres import error_messages


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("pg_dump: error: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE", Reason.TOOL),
        ("could not write: No space left on device", Reason.SPACE),
        ("could not create: Read-only file system", Reason.STORAGE),
        ("ERROR:  permission denied for table secret", Reason.RIGHTS),
        ("aborting because of server version mismatch", Reason.CLIENT),
        ("server closed the connection unexpectedly", Reason.UNREACHABLE),
    ],
)
def test_known(tail: str, reason: Reason) -> None:
    found, remedy = error_messages.diagnosis(f"line before\n{tail}\nline after")
    assert found is reason
    assert remedy.endswith(".")


@pytest.mark.parametrize("tail", ["", "something new"])
def test_unknown(tail: str) -> None:
    assert error_messages.diagnosis(tail) == (Reason.TOOL, "")
