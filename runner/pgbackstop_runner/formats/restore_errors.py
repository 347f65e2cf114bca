"""What pg_restore and psql say about entries of a dump that could not be restored. Pure.

An error of the data, or of what comes before them, ends a restore; one of a single entry that comes after
them (an index, a constraint, a trigger) leaves everything else worth having, and is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pgbackstop_catalog import text
from pgbackstop_catalog.records.proof import MissingEntry
from pgbackstop_runner.formats import names
from pgbackstop_runner.formats.sql_script import Statement

# More is no restore with something missing.
MOST_ENTRIES = 1000
_MOST_FATAL = 20  # lines
# Of one error: its message is whatever a function of the database raises.
_MOST_LINES = 200
# Of all errors together; of what is said after that the beginnings of lines.
_MOST_LETTERS, _BEGINNING = 16_000_000, 200
# Whatever another job has begun to say before it: overlooked, its entry would not be known to lack something.
_HEADER = re.compile(r"(?:[a-z_]+: )*from TOC entry (\d{1,9});")
_ERROR = re.compile(r"(?:pg_restore: )*error: (?:could not execute query: )?(.*)")
_IGNORED = re.compile(r"(?:pg_restore: )*warning: errors ignored on restore: (\d{1,9})\Z")
_LISTED = re.compile(r"(\d+); \d+ \d+ (.*)", re.DOTALL)
_COMMAND = "Command was: "
_PSQL = re.compile(r"psql:<stdin>:(\d{1,18}): \S+:\s+([0-9A-Z]{5}): (.*)")
_OF_SCRIPT = re.compile(
    rb"^-- (?:Data for )?Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); "
    rb"Schema: (?P<schema>.*?)(?:; Owner: .*)?$",
    re.MULTILINE,
)
_NO_ERRORS = frozenset({"00", "01", "02"})
# The server has no room or ends: that says nothing of an entry. 53: insufficient resources, 57: operator
# intervention. https://www.postgresql.org/docs/current/errcodes-appendix.html
SERVER_STATES = ("53", "57", "58030")
_SERVER_WORDS = re.compile(
    "server closed the connection|no connection to the server|connection to server was lost"
    "|terminating connection|No space left on device|Disk quota exceeded|out of shared memory|out of memory"
    "|temp_file_limit"
    "|canceling statement|Input/output error"
)
_POST_DATA = frozenset(
    (
        b"CHECK CONSTRAINT",
        b"CONSTRAINT",
        b"DEFAULT ACL",
        b"EVENT TRIGGER",
        b"FK CONSTRAINT",
        b"INDEX",
        b"INDEX ATTACH",
        b"MATERIALIZED VIEW DATA",
        b"POLICY",
        b"PUBLICATION",
        b"PUBLICATION TABLE",
        b"PUBLICATION TABLES IN SCHEMA",
        b"ROW SECURITY",
        b"RULE",
        b"STATISTICS",
        b"SUBSCRIPTION",
        b"SUBSCRIPTION TABLE",
        b"TRIGGER",
    )
)
# They stand beside what they are about, and a label needs its provider's library.
_REMARKS = frozenset((b"COMMENT", b"SECURITY LABEL"))
_REMARK_PREFIXES = tuple(f"{each.decode()} " for each in _REMARKS)


def is_after_data(piece: Statement) -> bool:
    """Whether a statement of a script, by the comment before it, is one that pg_dump puts after all data."""
    found = _comment(piece)
    return found is not None and found["type"] in _POST_DATA


def is_remark(piece: Statement) -> bool:
    """Whether a statement of a script only says something of what another has made."""
    found = _comment(piece)
    return found is not None and found["type"] in _REMARKS


def is_data(piece: Statement) -> bool:
    """Whether a statement of a script is, by the comment before it, the COPY of a table."""
    found = _comment(piece)
    return found is not None and found["type"] == b"TABLE DATA"


def entry_of(piece: Statement, encoding: str) -> str:
    """What a statement of a script makes, as pg_restore --list calls it, but for the owner."""
    found = _comment(piece)
    raw = b" ".join((found["type"], found["schema"], found["name"])) if found else piece.code.split(b"\n")[0]
    return names.decoded(raw, encoding)


def _comment(piece: Statement) -> re.Match[bytes] | None:
    """The comment before a statement, which says what it is; rows may look like one."""
    before = piece.text[: len(piece.text) - len(piece.code)]
    return _OF_SCRIPT.search(before) if piece.kind == "statement" else None


def is_of_server(words: str) -> bool:
    """Whether an error is about the server as a whole and not about the entry that met it."""
    return _SERVER_WORDS.search(words) is not None


def has_rows_of(entries: Iterable[MissingEntry], schema: str, name: str) -> bool:
    """Whether the rows of that table are among the missing entries."""
    wanted = f"TABLE DATA {schema} {name}"
    return any(f"{each.entry} ".startswith(f"{wanted} ") for each in entries)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Entries of an archive by their numbers; ``optional`` are those that a restore is worth without."""

    entries: Mapping[str, str]
    optional: frozenset[str]

    @classmethod
    def of(cls, lines: Iterable[str], after_data: Iterable[str], encoding: str) -> Contents:
        """From the lines of pg_restore --list, of everything and of its section post-data.

        Rows of a table that no entry makes are those of an extension's configuration table.
        Remarks on other entries are optional wherever they stand.
        """
        found = {match[1]: match[2] for line in lines if (match := _LISTED.match(line))}
        tables = {each.removeprefix("TABLE ") for each in found.values() if each.startswith("TABLE ")}
        configuration = {
            number
            for number, each in found.items()
            if each.startswith("TABLE DATA ") and each.removeprefix("TABLE DATA ") not in tables
        }
        remarks = {number for number, each in found.items() if each.startswith(_REMARK_PREFIXES)}
        late = {match[1] for line in after_data if (match := _LISTED.match(line))}
        raw = {number: each.encode(errors="surrogateescape") for number, each in found.items()}
        entries = {number: names.decoded(each, encoding) for number, each in raw.items()}
        return cls(entries=entries, optional=frozenset(configuration | remarks | late))


@dataclass
class _Room:
    """What is left for words that somebody in the database has chosen."""

    letters: int = _MOST_LETTERS

    def take(self, line: str) -> str:
        """The line; only its beginning, where too much was said already."""
        kept = line if self.letters > 0 else line[:_BEGINNING]
        self.letters -= len(kept)
        return kept


@dataclass(kw_only=True)
class ArchiveErrors:
    """Hears pg_restore --verbose line by line. ``fatal`` is said of an entry that every restore needs.

    Jobs speak at the same time, a line in several pieces, so that a prefix may stand with another's words.
    At its end pg_restore tells how many errors it passed over; those of jobs it counts more than once.
    """

    contents: Contents
    fatal: list[str] = field(default_factory=list)
    _entry: str = ""
    _seen: dict[str, None] = field(default_factory=dict)
    _errors: list[tuple[str, list[str]]] = field(default_factory=list)
    _in_error: bool = False
    _counted: int = 0
    _room: _Room = field(default_factory=_Room)

    def hear(self, line: str) -> bool:
        """Learn from one line; whether it is more than what --verbose tells of each entry."""
        if header := _HEADER.match(line):
            self._entry = header[1]
            if self._entry in self.contents.entries or len(self._seen) <= MOST_ENTRIES:
                self._seen[self._entry] = None
        elif error := _ERROR.match(line):
            self._in_error = True
            if len(self._errors) <= MOST_ENTRIES:
                self._errors.append((self._entry, [self._room.take(error[1])]))
            if self._entry not in self.contents.optional and len(self.fatal) < _MOST_FATAL:
                self.fatal.append(line)
            return True
        elif ignored := _IGNORED.match(line):
            self._counted = int(ignored[1])
        elif self._in_error and not line.startswith("pg_restore: "):
            if len(self._errors[-1][1]) < _MOST_LINES:
                self._errors[-1][1].append(self._room.take(line))
            if 0 < len(self.fatal) < _MOST_FATAL:
                self.fatal.append(line)
            return True
        self._in_error = False
        return "warning: " in line or "error: " in line

    def missing(self) -> tuple[MissingEntry, ...] | None:
        """The entries that failed; None where the errors are others, or are not all told apart."""
        failed = [(number, "\n".join(lines)) for number, lines in self._errors]
        silent = self._seen.keys() - {number for number, _ in failed}
        beside = [(number, "Its error stands among what was said of others.") for number in sorted(silent)]
        some = self._counted > 0 and bool(failed or beside)
        needed = self._seen.keys() - self.contents.optional
        if self.fatal or needed or not some or len(failed) > min(self._counted, MOST_ENTRIES):
            return None
        if any(is_of_server(words) for _, words in failed):
            return None
        return tuple(self._missing(number, words) for number, words in failed + beside)

    def _missing(self, number: str, words: str) -> MissingEntry:
        error, _, statement = words.partition(_COMMAND)
        return missing(self.contents.entries.get(number, f"entry {number}"), error, statement)


@dataclass(kw_only=True)
class ScriptErrors:
    """Hears psql, which was given VERBOSITY=verbose, line by line; ``statements`` are by their last lines."""

    encoding: str
    statements: dict[int, Statement] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    _room: _Room = field(default_factory=_Room)

    def hear(self, line: str) -> None:
        """Learn from one line."""
        if len(self.lines) < 100 * MOST_ENTRIES:
            self.lines.append(self._room.take(line))

    def missing(self) -> tuple[MissingEntry, ...] | None:
        """The entries that failed; None where the server as a whole was the cause."""
        found = list[MissingEntry]()
        for number, state, words in self._told():
            if state.startswith(SERVER_STATES) or is_of_server(words):
                return None
            piece = self.statements.get(number)
            entry = entry_of(piece, self.encoding) if piece else f"line {number}"
            code = names.decoded(piece.code, self.encoding) if piece else ""
            found.append(missing(entry, words, code))
        return tuple(found) if len(found) <= MOST_ENTRIES else None

    def _told(self) -> Iterable[tuple[int, str, str]]:
        told: list[tuple[int, str, list[str]]] = []
        for line in self.lines:
            match = _PSQL.match(line)
            if match:
                told.append((int(match[1]), match[2], [match[3]]))
            elif told and not line.startswith("LOCATION:"):
                told[-1][2].append(line)
        return [
            (number, state, "\n".join(words)) for number, state, words in told if state[:2] not in _NO_ERRORS
        ]


def missing(entry: str, error: str, statement: str) -> MissingEntry:
    """One entry; its words are bounded."""
    return MissingEntry(entry=_shown(entry), error=_shown(error), statement=_shown(statement.strip()))


def _shown(words: str) -> str:
    return text.bounded(text.plain(" ".join(words.split())))
