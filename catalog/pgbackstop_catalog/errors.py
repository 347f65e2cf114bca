"""Errors that a person sees, and the exit code of each.

PgbackstopError            1  the operation failed
├── ConfigError            2  the configuration or the command line is wrong
├── ValidationError        3  something that a backup needs is not there; nothing was started
├── Busy                   4  another process holds the lock that this one needs
├── CatalogError           5  the catalog or a storage cannot be read or written
│   └── NewerRecord        5  a record was written by a newer pgbackstop
├── ServerUnreachable      6  PostgreSQL does not answer, or does not let us in
├── NotFound               7  what was named does not exist
├── Corrupt                8  a stored backup is not what was stored
├── EntriesMissing         9  a database was restored, but for entries of the dump
└── Bug                   70  an exception that nobody foresaw
Interrupted              130  a signal ended the operation; no Exception, as KeyboardInterrupt is none
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from pgbackstop_catalog import text


class _Sentences(BaseException):
    """What a person sees: ``problem`` says what went wrong, ``remedy`` what to do about it."""

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "the operation failed"
    # Sentences hold what servers and tools said. They go to terminals, logs, records and metrics' pages.
    most_letters: ClassVar[int] = 8_000

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        self.problem = text.plain(text.bounded(problem, self.most_letters), keep="\n")
        self.remedy = text.plain(text.bounded(remedy, self.most_letters), keep="\n")
        super().__init__(self.problem)

    def __str__(self) -> str:
        return text.joined(" ", filter(None, (self.problem, self.remedy)))


class PgbackstopError(_Sentences, Exception):
    """An error that a person sees: what an operation can fail by."""


def one_line(said: object, most: int = text.MOST_LETTERS) -> str:
    """Return an error, or what a program said, as one line of at most ``most`` letters that obeys nothing."""
    whole = str(said)
    line = " ".join(whole[: 4 * most].split())
    is_whole = len(whole) <= 4 * most and len(line) <= most
    return text.plain(line if is_whole else f"{line[:most]}… ({len(whole)} letters)")


class ConfigError(PgbackstopError):
    """The configuration or the command line is wrong."""

    exit_code = 2
    meaning = "the configuration or the command line is wrong"


class ValidationError(PgbackstopError):
    """A precondition of a backup does not hold; nothing was started."""

    exit_code = 3
    meaning = "something that a backup needs is not there; nothing was started"


class Busy(PgbackstopError):
    """Another process holds the lock."""

    exit_code = 4
    meaning = "another process holds the lock that this one needs"


class CatalogError(PgbackstopError):
    """The catalog or a storage cannot be read or written."""

    exit_code = 5
    meaning = "the catalog or a storage cannot be read or written"


class NewerRecord(CatalogError):
    """A record was written by a newer pgbackstop than this one."""


class ServerUnreachable(PgbackstopError):
    """PostgreSQL does not answer, or does not let us in."""

    exit_code = 6
    meaning = "PostgreSQL does not answer, or does not let us in"


class NotFound(PgbackstopError):
    """A plan, a server or a backup of that name does not exist."""

    exit_code = 7
    meaning = "what was named does not exist"


class Corrupt(PgbackstopError):
    """Bytes of a stored backup, or of the WAL that it needs, are missing or wrong."""

    exit_code = 8
    meaning = "a stored backup is not what was stored"


class EntriesMissing(PgbackstopError):
    """A database was restored, but entries of the dump could not be; they are on record."""

    exit_code = 9
    meaning = "a database was restored, but for entries of the dump"


class Bug(PgbackstopError):
    """An exception that nobody foresaw, in a sentence; nothing raises it on purpose."""

    exit_code = 70
    meaning = "a bug in pgbackstop"

    def __init__(self, error: BaseException) -> None:
        words = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
        super().__init__(
            f"This is a bug: {words}.",
            remedy="Run again with PGBACKSTOP_DEBUG=1 for the traceback and report it, please.",
        )


class Interrupted(_Sentences):
    """A signal ended the operation: no handler of errors may take it for something that is wrong."""

    exit_code = 130
    meaning = "a signal ended the operation"


Ending: TypeAlias = PgbackstopError | Interrupted  # of an operation that does not succeed


EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "done"),
    *(
        (kind.exit_code, kind.meaning)
        for kind in (
            PgbackstopError,
            ConfigError,
            ValidationError,
            Busy,
            CatalogError,
            ServerUnreachable,
            NotFound,
            Corrupt,
            EntriesMissing,
            Bug,
            Interrupted,
        )
    ),
)
