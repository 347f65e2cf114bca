"""What a recovery is worth: a damaged index is found, and WAL that was spoilt meanwhile is not replayed."""

import random
import re
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from tests.integration.recover import primary as primaries
from tests.integration.recover.conftest import MakePrimary
from tests.integration.recover.primary import Primary
from tests.integration.recover.test_shapes import by_hand, lines_of
from tests.support import ports

# The index has what the function said when it was built.
BROKEN_INDEX = """
create extension amcheck;
create function twisted(int) returns int immutable language sql as 'select $1';
create index beats_twisted on beats (twisted(n));
insert into beats select generate_series(1, 100);
create or replace function twisted(int) returns int immutable language sql as 'select -$1';
"""


def test_a_damaged_index_is_found_by_check(make_primary: MakePrimary) -> None:
    primary = make_primary()
    primary.receive()
    for statement in BROKEN_INDEX.strip().splitlines():
        primary.server.execute(statement)
    primary.backup()
    with primary.recovered("--immediate") as clone:
        assert "NOT AS IT SHOULD BE" not in clone.said
    with primary.recovered("--immediate", "--check", code=errors.Corrupt.exit_code) as clone:
        assert "NOT AS IT SHOULD BE: pages: " in clone.said
        assert "beats_twisted" in clone.said
        assert clone.execute("select 1") == [(1,)]  # a person is to look at it
    record = next(iter(primary.site.catalog.restores()))
    assert record.status is Status.SUCCEEDED
    assert "not as it should be: pages: " in record.warnings[0]
    assert [(check.name, check.ok) for check in record.checks] == [("indexes", True), ("pages", False)]


def test_without_the_extension_nothing_is_claimed(history17: Primary) -> None:
    with history17.recovered("--immediate", "--check") as clone:
        assert "checked pages: not checked: no database has the extension amcheck" in clone.said


@pytest.mark.parametrize("how", ["damaged", "cut off", "gone"])
def test_wal_that_is_spoilt_after_it_was_checked(history17: Primary, how: str) -> None:
    """Started by hand nobody is there to see it: the server must not come up with less than its target."""
    place = history17.target()
    wanted = ("--time", history17.commits()[33].isoformat())
    assert history17.recover(place, "--port", str(ports.free()), *wanted).returncode == 0
    start, wait, _forget, _connect = lines_of(place)
    last = sorted(folder(place).glob("0*/0*"))[-1]
    whole = last.read_bytes()
    spoilt = {"damaged": whole[:64] + random.Random(1).randbytes(len(whole) - 64), "cut off": whole[:-20]}  # noqa: S311 - the same in every run
    last.unlink() if how == "gone" else last.write_bytes(spoilt[how])
    try:
        with primaries.ended(place):
            by_hand(start)
            by_hand(wait)
            assert not (place / "postmaster.pid").exists()
    finally:
        last.write_bytes(whole)
    log = (place / "pgbackstop-recovery.log").read_text()
    if how == "gone":
        assert "recovery ended before configured recovery target was reached" in log
    else:
        assert f"restore-wal.sh: cannot unpack {last}" in log
    assert (place / "recovery.signal").exists()


def folder(place: Path) -> Path:
    """Where the prepared directory reads WAL from, by its own page."""
    match = re.search(r"^It reads WAL from (.*): keep that", (place / "RECOVER.md").read_text(), re.MULTILINE)
    assert match is not None
    return Path(match[1])
