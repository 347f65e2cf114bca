"""The reason and the remedy that last words of a tool lead to."""

import psycopg
import pytest

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.postgres import error_messages, refusals, sessions


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("pg_dump: error: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE", Reason.TOOL),
        ("could not write: No space left on device", Reason.SPACE),
        ("could not create: Read-only file system", Reason.STORAGE),
        ("ERROR:  permission denied for table secret", Reason.RIGHTS),
        ("ERROR:  canceling statement due to conflict with recovery", Reason.TOOL),
        ("aborting because of server version mismatch", Reason.CLIENT),
        ("server closed the connection unexpectedly", Reason.UNREACHABLE),
        ('pg_dump: error: FATAL:  too many connections for role "r"', Reason.UNREACHABLE),
        ("ERROR:  temporary file size exceeds temp_file_limit (1kB)", Reason.TOOL),
        ('pg_dump: error: connection to server at "db" failed: Connection refused', Reason.UNREACHABLE),
    ],
)
def test_known(tail: str, reason: Reason) -> None:
    found, remedy = error_messages.diagnosis(f"line before\n{tail}\nline after")
    assert found is reason
    assert remedy.endswith(".")


@pytest.mark.parametrize(
    ("tail", "remedy"),
    [
        ("pg_dump: error: could not write to output file: No space left on device", "in the storage"),
        (
            "pg_dump: detail: Error message from server: FEHLER:  could not write: No space left on device",
            "on the server's disk",
        ),
        (
            "ERROR:  could not resize shared memory segment to 8 bytes: No space left on device",
            "The server's /dev/shm",
        ),
    ],
)
def test_whose_room_is_used_up(tail: str, remedy: str) -> None:
    assert remedy in error_messages.diagnosis(tail)[1]


@pytest.mark.parametrize(
    ("words", "vanished"),
    [
        ('ERROR:  relation "public.t" does not exist\npg_dump: detail: Query was: LOCK TABLE public.t', True),
        ("pg_dump: error: query failed: ERROR:  cache lookup failed for index 4711", True),
        ("pg_dump: error: schema with OID 4711 does not exist", True),
        ("ERROR:  canceling statement due to statement timeout\nQuery was: LOCK TABLE public.t", False),
        ('ERROR:  role "nobody" does not exist', False),
    ],
)
def test_what_a_new_snapshot_is_taken_for(words: str, vanished: bool) -> None:
    assert error_messages.is_of_what_vanished(words) is vanished


@pytest.mark.parametrize("tail", ["", "something new"])
def test_unknown(tail: str) -> None:
    assert error_messages.diagnosis(tail) == (Reason.TOOL, "")


LOCKS = """pg_dump: error: query failed: ERROR:  out of shared memory
HINT:  You might need to increase max_locks_per_transaction.
pg_dump: detail: Query was: LOCK TABLE public.p1 IN ACCESS SHARE MODE"""
FOREIGN = """pg_restore: error: could not execute query: ERROR:  could not connect to server "away"
DETAIL:  connection to server at "10.0.0.9", port 5432 failed: Connection refused
Command was: REFRESH MATERIALIZED VIEW public.far;"""
TOO_LARGE = """pg_dump: error: Dumping the contents of table "t" failed: PQgetResult() failed.
pg_dump: detail: Error message from server: ERROR:  invalid memory alloc request size 1200000003"""


@pytest.mark.parametrize("table", [error_messages.TOOLS, error_messages.RESTORING])
@pytest.mark.parametrize(
    ("words", "remedy"),
    [(LOCKS, "max_locks_per_transaction"), (FOREIGN, "foreign server"), (TOO_LARGE, "1 GB")],
    ids=["locks", "foreign", "too large"],
)
def test_what_is_special_comes_before_what_its_words_mean_elsewhere(
    table: tuple[error_messages.Meaning, ...], words: str, remedy: str
) -> None:
    found = error_messages.meaning(words, table)
    assert found is not None
    assert found.reason is Reason.TOOL
    assert remedy in found.remedy


@pytest.mark.parametrize("table", [refusals.SESSIONS, refusals.STREAMING, tuple(refusals.STATES.values())])
def test_every_refusal_is_a_sentence_with_what_to_do(table: tuple[error_messages.Meaning, ...]) -> None:
    names = {"where": "db:5432", "user": "keeper", "database": "shop", "slot": "pgbackstop", "words": "no"}
    for each in table:
        for text in (each.sentence, each.remedy):
            said = text.format(**names)
            assert said.endswith(".")
            assert "{" not in said


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (psycopg.errors.OutOfMemory, Reason.TOOL, "max_locks_per_transaction"),
        (psycopg.errors.InsufficientPrivilege, Reason.RIGHTS, "create-the-role.md"),
        (psycopg.errors.LockNotAvailable, Reason.TOOL, "holds a lock"),
        (psycopg.errors.QueryCanceled, Reason.TIMEOUT, "locks"),
        (psycopg.errors.AdminShutdown, Reason.UNREACHABLE, "The connection was lost"),
        (psycopg.OperationalError, Reason.UNREACHABLE, "The connection was lost"),
        (psycopg.errors.UndefinedTable, Reason.TOOL, "log"),
    ],
)
def test_statements_of_ours_are_judged_by_their_state(
    error: type[psycopg.Error], reason: Reason, words: str
) -> None:
    """In Russian, too."""
    said = sessions.broken(error("что-то не так"))
    assert said.reason is reason
    assert words in str(said)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ('failed: root certificate file "/nowhere" does not exist', "by TLS"),
        ("failed: SSL error: certificate verify failed", "by TLS"),
        ('to server at "certificate" (::1), port 1 failed: Connection refused', "Nothing answers"),
        ('failed: FATAL:  cannot connect to invalid database "SSL"', "interrupted DROP DATABASE"),
        ('failed: FATAL:  password authentication failed for user "SSL"', "refuses the password"),
    ],
)
def test_words_beside_a_name_decide(words: str, says: str) -> None:
    found = error_messages.meaning(f"connection to server {words}", refusals.SESSIONS)
    assert found is not None
    assert says in found.sentence
