"""An archive_command that lies, fails or was never set is noticed, and an honest one is left alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server, Wal
from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import archiver_check
from pgbackstop_runner.wal.maintenance import ArchiveMaintainer
from pgbackstop_runner.wal.sampler import Sample

SIZE = 16 << 20
OLD = archiver_check.GRACE


def keeper(folder: Path = Path("nowhere"), *, newest: Segment | None = None) -> ArchiveMaintainer:
    """A maintainer that was opened for no archive yet, so its segments have PostgreSQL's default size."""
    made = ArchiveMaintainer(
        name="main",
        server=Server(wal=Wal(method="archive_command")),
        root=folder / "archive",
        catalog=FolderCatalog(folder / "catalog"),
        state=StateFolder(folder / "catalog"),
    )
    made.newest = newest
    return made


def sample(**changes: Any) -> Sample:
    facts: dict[str, Any] = {
        "taken_at": datetime(2026, 11, 22, tzinfo=UTC),
        "asked_at": datetime(2026, 11, 22, tzinfo=UTC),
        "flushed": 0,
        "archive_mode": "on",
    }
    return Sample(**{**facts, **changes})


def problem(newest: Segment | None, **changes: Any) -> str:
    kept = keeper(newest=newest)
    kept.sampler.latest = sample(**changes)
    return str(archiver_check.problem(kept) or "")


def test_nothing_is_said_before_the_server_answered() -> None:
    assert archiver_check.problem(keeper()) is None


def test_a_server_that_does_not_answer_is_the_first_problem() -> None:
    kept = keeper()
    kept.sampler.latest = sample(archive_mode="off")
    kept.sampler.problem = errors.ServerUnreachable("It does not answer.")
    assert archiver_check.problem(kept) is kept.sampler.problem


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"archive_mode": "off"}, "archive_mode of the server is off, so it archives nothing."),
        ({"archiver_fails": True}, "The archive_command fails on the server."),
        ({"archive_mode": "always"}, ""),
        ({}, ""),
    ],
)
def test_what_the_server_says_of_its_archiver(changes: dict[str, Any], sentence: str) -> None:
    assert problem(None, **changes).startswith(sentence)
    assert bool(problem(None, **changes)) == bool(sentence)


def test_the_remedy_names_the_command_that_prints_the_right_setting() -> None:
    assert "'pgbackstop wal archive-command main'" in problem(None, archive_mode="off")


@pytest.mark.parametrize(
    ("last", "age", "lies"),
    [
        ("000000010000000000000005", OLD, True),
        ("000000010000000000000005", OLD - 0.1, False),  # it may be on its way
        ("000000010000000000000005", None, False),
        ("00000002.history", OLD, False),  # says nothing about segments
        ("000000010000000000000005.00000028.backup", OLD, False),
        (None, None, False),
    ],
)
def test_an_empty_archive_and_a_server_that_believes(last: str | None, age: float | None, lies: bool) -> None:
    said = problem(None, archiver_last=last, archiver_age=age)
    assert said.startswith(f"The server believes that {last} is archived, and it is not here.") == lies
    assert bool(said) == lies


PLACES = st.builds(Segment, timeline=st.integers(1, 3), number=st.integers(0, 1000))


@given(believed=PLACES, newest=PLACES)
def test_it_lies_when_what_it_believes_is_newer_than_all_that_is_here(
    believed: Segment, newest: Segment
) -> None:
    said = problem(newest, archiver_last=believed.name(SIZE), archiver_age=OLD)
    assert bool(said) == ((believed.timeline, believed.number) > (newest.timeline, newest.number))
