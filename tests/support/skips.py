"""One rule for skips: a skip says why, and where everything is required it is a failure.

`PGBACKSTOP_REQUIRE_ALL=1` turns every skip into a failure, so that continuous integration cannot
go green by running nothing. The only exception is what no installation can provide on a platform;
such a skip starts with `PLATFORM`, by `platform_impossible(reason)` or in a skipif's reason.
"""

import os
from typing import NoReturn

import pytest

PLATFORM = "impossible on this platform: "


def platform_impossible(reason: str) -> NoReturn:
    """Skips for a reason that no installation can remove on this platform."""
    pytest.skip(PLATFORM + reason)


def required() -> bool:
    """Whether a skip counts as a failure in this run."""
    return os.environ.get("PGBACKSTOP_REQUIRE_ALL") == "1"


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skipped report; pytest keeps it as (path, line, "Skipped: reason")."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


def enforce(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skipped report into a failed one where everything is required.

    An expected failure also reports as skipped; it ran, so it stays.
    """
    if not required() or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = reason_of(report)
    if reason.startswith(PLATFORM):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped, but PGBACKSTOP_REQUIRE_ALL=1 requires every test: {reason}"
