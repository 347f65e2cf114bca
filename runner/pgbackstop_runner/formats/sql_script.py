"""The statements of an SQL dump, split as psql would split them; in bounded memory, whatever the size.

A dump names its database in statements that would reach the live one, and connects to it: who restores it
elsewhere must take those out, and must not be fooled by a function's body or a row that looks like them.
The lexical rules are PostgreSQL's: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Literal

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import names

_CHUNK = 1 << 16
# To its end: `shop` is never read as `sho` where what follows does not suit.
IDENTIFIER = rb'(?:"(?:[^"]|"")*"(?!")|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*(?![A-Za-z0-9_$\x80-\xff]))'
_WORD = rb"A-Za-z0-9_\x80-\xff$"
_SPECIAL = re.compile(
    rb"""[;'"\\]|--|/\*|(?<![%s])\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$""" % _WORD
)
_ROUTINE = re.compile(rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s", re.IGNORECASE)
_TOKEN = re.compile(rb"[()]|[A-Za-z_\x80-\xff][%s]*" % _WORD)
_BLANK = re.compile(rb"(?:\s+|--[^\n]*\n)*")
# What rows follow.
COPY = re.compile(rb"COPY (.*) FROM stdin;\Z", re.DOTALL)
_END_OF_ROWS = b"\n\\.\n"
_ESCAPED = re.compile(rb"\\.|'", re.DOTALL)
_NESTED = re.compile(rb"/\*|\*/")
_ESCAPE_PREFIX = re.compile(rb"(?<![%s])[eE]\Z" % _WORD)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A part of the script; joined, the pieces are the script.

    ``statement``: with the comments before it, to its semicolon; ``code`` is without those comments.
    ``command``: a line that psql itself obeys, like ``\\connect``. ``rows``: a part of COPY's data.
    ``end``: what is left after the last statement: blanks and comments.
    """

    kind: Literal["statement", "command", "rows", "end"]
    text: bytes
    code: bytes = b""


def pieces(source: IO[bytes]) -> Iterator[Statement]:
    """Split a script. Raises AttemptFailed (corrupt) where it ends inside a quote or in COPY's rows."""
    text = _Text(source)
    while True:
        start = text.skip_blank()
        if start == len(text.buffer):
            yield Statement(kind="end", text=text.take(start))
            return
        if text.at(start) == b"\\":
            yield Statement(
                kind="command", text=(line := text.take(text.find(b"\n", start))), code=line[start:]
            )
        else:
            statement = text.take(_end_of_statement(text, start))
            piece = Statement(kind="statement", text=statement, code=statement[start:])
            yield piece
            if COPY.match(piece.code):
                yield from _rows(text)


def unquoted(identifier: bytes, encoding: str = "UTF8") -> str:
    """An identifier as it is called, without its quotes; ``encoding`` is the script's client_encoding."""
    name = names.decoded(identifier, encoding)
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _rows(text: _Text) -> Iterator[Statement]:
    """COPY's data, from the newline after the semicolon to the line that ends it."""
    while (end := text.buffer.find(_END_OF_ROWS)) < 0:
        # The end may be split between two reads, so as many bytes as it has are kept back.
        ready = len(text.buffer) - len(_END_OF_ROWS)
        if ready > 0:
            yield Statement(kind="rows", text=text.take(ready))
        text.need("the rows of a table")
    yield Statement(kind="rows", text=text.take(end + len(_END_OF_ROWS)))


def _end_of_statement(text: _Text, start: int) -> int:
    """The position after the semicolon that ends the statement at ``start``."""
    position, body = start, _Body()
    while True:
        match = _SPECIAL.search(text.buffer, position)
        # A token at the very end may go on in the next read: - and /, $tag.
        if match is None or match.end() >= len(text.buffer):
            if text.more():
                continue
            if match is None:
                raise _cut_off("a statement")
        token = match.group()
        if _ROUTINE.match(text.buffer, start):
            body.bare.append((position, match.start()))
        if token != b";":
            position = _after(text, token, match.start(), match.end())
        elif body.is_open(text.buffer):
            position = match.end()
        else:
            return match.end()


@dataclass
class _Body:
    """Whether BEGIN ATOMIC … END is open; ``bare`` is what stands outside of quotes and was not read yet.

    It is of a routine: in a row of INSERT there may be millions of quotes.

    psql, which counts any ``begin`` and not only this one, goes on wherever we do: nothing that it would run
    by itself is hidden. https://www.postgresql.org/docs/current/sql-createfunction.html
    """

    bare: list[tuple[int, int]] = field(default_factory=list)
    _parentheses: int = 0
    _depth: int = 0
    _before: bytes = b""

    def is_open(self, buffer: bytearray) -> bool:
        """Read on. Whoever writes a function may write a million statements into it: each is read once."""
        for first, last in self.bare:
            for token in _TOKEN.findall(buffer, first, last):
                self._read(token.lower())
        self.bare.clear()
        return self._depth > 0

    def _read(self, word: bytes) -> None:
        if word in b"()":
            self._parentheses = max(0, self._parentheses + (1 if word == b"(" else -1))
        elif not self._parentheses:
            self._depth = _depth(self._depth, self._before, word)
            self._before = word


def _depth(depth: int, before: bytes, word: bytes) -> int:
    """How many BEGIN ATOMIC and CASE are open after that word."""
    if not depth:
        return int((before, word) == (b"begin", b"atomic"))
    return depth + (word == b"case") - (word == b"end")


def _after(text: _Text, token: bytes, start: int, end: int) -> int:
    """The position after the quote or comment that ``token`` opens."""
    if token == b"--":
        return text.find(b"\n", end)
    if token == b"/*":
        return _after_comment(text, end)
    if token == b"'" and _ESCAPE_PREFIX.search(text.buffer, max(0, start - 2), start):
        return _after_escaped(text, end)
    if token == b"\\":
        raise AttemptFailed(
            Reason.CORRUPT,
            "The dump has a command for psql inside a statement, which pg_dump never writes.",
            remedy="Do not restore it: somebody changed it. Take another backup.",
        )
    # A doubled quote ends one string and begins the next: the same text for our purpose.
    return text.find(token, end)


def _after_comment(text: _Text, position: int) -> int:
    depth = 1
    while depth:
        match = _NESTED.search(text.buffer, position)
        if match is None:
            text.need("a comment")
            continue
        depth += 1 if match.group() == b"/*" else -1
        position = match.end()
    return position


def _after_escaped(text: _Text, position: int) -> int:
    while True:
        match = _ESCAPED.search(text.buffer, position)
        if match is None:
            text.need("a string")
        elif match.group() == b"'":
            return match.end()
        else:
            position = match.end()


class _Text:
    """A window on the script: ``buffer`` begins at the first byte that was not taken yet."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.buffer = bytearray()  # which forgets its beginning without copying the rest
        self._over = False

    def more(self) -> bool:
        """Read on; whether there was more. As much again: what is searched once more is not much then."""
        chunk = b"" if self._over else self._source.read(max(_CHUNK, len(self.buffer)))
        self._over = not chunk
        self.buffer += chunk
        return bool(chunk)

    def need(self, inside: str) -> None:
        """Read on. Raises AttemptFailed where the script ends here."""
        if not self.more():
            raise _cut_off(inside)

    def at(self, position: int) -> bytes:
        return bytes(self.buffer[position : position + 1])

    def find(self, token: bytes, position: int) -> int:
        """The position after the next ``token``. Raises AttemptFailed where there is none."""
        while (found := self.buffer.find(token, position)) < 0:
            position = max(position, len(self.buffer) - len(token) + 1)
            self.need("a quote")
        return found + len(token)

    def skip_blank(self) -> int:
        """The position of the first byte that is neither blank nor a comment; the end where all are."""
        position = 0
        while True:
            match = _BLANK.match(self.buffer, position)
            position = match.end() if match else position
            rest = bytes(self.buffer[position : position + 2])
            unsure = not rest or rest in {b"-", b"--"}
            if not unsure or not self.more():
                return len(self.buffer) if rest == b"--" else position

    def take(self, end: int) -> bytes:
        with memoryview(self.buffer) as view:
            taken = bytes(view[:end])
        del self.buffer[:end]
        return taken


def _cut_off(inside: str) -> AttemptFailed:
    return AttemptFailed(
        Reason.CORRUPT, f"The dump ends inside {inside}.", remedy="Take another backup: this one was cut off."
    )
