"""Exit codes and reasons."""

import errno
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner import failures
from tests.support import factories

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def made(reason: Reason | None) -> Backup:
    return factories.daily() if reason is None else factories.failed(reason=reason)


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
def test_first_reason(error: errors.Ending, reason: Reason) -> None:
    assert failures.first_reason(error) is reason


def foreseen(error: BaseException) -> tuple[type[errors.Ending], Reason, str]:
    known = failures.as_error(error)
    return type(known), failures.first_reason(known), str(known)


@pytest.mark.parametrize(
    ("error", "kind", "reason", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/srv/x"),
            failures.AttemptFailed,
            Reason.SPACE,
            "The operating system refuses: /srv/x: No space left on device.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            failures.AttemptFailed,
            Reason.STORAGE,
            "The operating system refuses: Permission denied.",
        ),
        (
            TimeoutError(),
            failures.AttemptFailed,
            Reason.STORAGE,
            "The operating system refuses: TimeoutError.",
        ),
        (
            psycopg.errors.DuplicateDatabase('database "shop"\n  already exists\n'),
            failures.AttemptFailed,
            Reason.TOOL,
            'PostgreSQL refused: database "shop" already exists',
        ),
        (KeyboardInterrupt(), errors.Interrupted, Reason.INTERRUPTED, "Ended by a signal."),
    ],
)
def test_what_may_happen_has_a_sentence_and_a_reason(
    error: BaseException, kind: type[errors.PgbackstopError], reason: Reason, sentence: str
) -> None:
    assert foreseen(error) == (kind, reason, sentence)


def test_an_error_of_ours_stays_as_it_is() -> None:
    known = errors.NotFound("There is no plan.")
    assert failures.as_error(known) is known


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ZeroDivisionError("division\nby zero"), "This is a bug: ZeroDivisionError: division by zero."),
        (AssertionError(), "This is a bug: AssertionError."),
    ],
)
def test_what_nobody_foresaw_is_a_bug(error: Exception, problem: str) -> None:
    known = failures.as_error(error)
    assert isinstance(known, errors.Bug)
    assert (known.problem, known.exit_code) == (problem, 70)
    assert "PGBACKSTOP_DEBUG=1" in known.remedy
    assert failures.first_reason(known) is Reason.INTERNAL


def test_sentences_cost_no_import_of_the_driver() -> None:
    """A list must answer at once, and says what went wrong, too."""
    code = (
        "import sys; from pgbackstop_runner import failures; failures.as_error(ValueError()); "
        "sys.exit('psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), 6),
        (psycopg.errors.AdminShutdown("terminating connection due to administrator command"), 6),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), 1),
        (psycopg.errors.UndefinedTable("no such table"), 1),
    ],
)
def test_a_server_that_goes_away_is_no_bug(error: psycopg.Error, code: int) -> None:
    known = failures.as_error(error)
    assert known.exit_code == code
    assert "bug" not in str(known)
