"""Only what a tool says of the bytes condemns a backup; what it says of its surroundings does not."""

import pytest

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.verify import tool_failure


@pytest.mark.parametrize(
    "words",
    [
        'pg_verifybackup: error: checksum mismatch for file "base/5/1259"',
        'pg_verifybackup: error: "base/5/1259" is present in the manifest but not on disk',
        "pg_restore: error: could not read from input file: end of file",
        "pg_waldump: error: error in WAL record at 0/2000028: incorrect resource manager data checksum",
    ],
)
def test_the_bytes(words: str) -> None:
    error = AttemptFailed(Reason.TOOL, f"pg_x ended with exit status 1: {words}")
    assert tool_failure.of_tool(error).reason is Reason.CORRUPT
    assert words in tool_failure.of_tool(error).problem


@pytest.mark.parametrize(
    "problem",
    [
        "pg_verifybackup was ended by signal 9: it said nothing",
        "pg_restore ended with exit status 1: pg_restore: error: out of memory",
        "pg_verifybackup ended with exit status 1: could not open file: Too many open files",
        "pg_restore ended with exit status 1: unsupported version (1.16) in file header",
        "pg_verifybackup ended with exit status 1: could not read file: Input/output error",
    ],
)
def test_the_surroundings(problem: str) -> None:
    assert tool_failure.of_tool(AttemptFailed(Reason.TOOL, problem)).reason is Reason.TOOL


def test_other_reasons_stay() -> None:
    assert tool_failure.of_tool(AttemptFailed(Reason.SPACE, "No space left on device")).reason is Reason.SPACE
