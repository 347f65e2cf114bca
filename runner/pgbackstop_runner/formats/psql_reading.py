"""Where psql reads a statement of a dump in another way than the server would. Pure.

In CREATE FUNCTION psql waits from a word ``begin`` to ``end`` for the statement's semicolon, because of
bodies in BEGIN ATOMIC: rows of the next table become statements. Anywhere it puts the value of a variable
of its own in the place of ``:"USER"``, which is the end of a slice in ``list[1:"USER"]``. pg_dump quotes
neither: https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re

_WORD = rb"A-Za-z0-9_$\x80-\xff"
_ROUTINE = re.compile(rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s")
# What a literal hides; a body may be cut off. All variables of psql's own have names in capitals.
_TOKEN = re.compile(
    rb"""(?<![%s])[eE]'(?:[^'\\]|''|\\.)*'|'[^']*'|::|:"(?P<variable>[A-Z0-9_]+)"|"[^"]*"
    |(?<![%s])\$(?P<tag>(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?)\$.*?(?:\$(?P=tag)\$|\Z)
    |--[^\n]*|/\*.*?\*/|(?P<parenthesis>[()])|(?<![%s])(?P<begin>begin)(?![%s])"""
    % (_WORD, _WORD, _WORD, _WORD),
    re.DOTALL | re.VERBOSE,
)


def as_meant(code: bytes) -> bytes:
    """The same statement, written so that psql reads in it what the server would.

    PostgreSQL writes keywords in capitals: a small ``begin`` is a name.
    """
    is_routine = _ROUTINE.match(code) is not None
    if b':"' not in code and not (is_routine and b"begin" in code):
        return code
    parts, done, depth = list[bytes](), 0, 0
    for token in _TOKEN.finditer(code):
        if parenthesis := token["parenthesis"]:
            depth = max(0, depth + (1 if parenthesis == b"(" else -1))
        elif token["variable"] or (token["begin"] and is_routine and not depth):
            parts += [code[done : token.start()], _said_apart(token)]
            done = token.end()
    return b"".join((*parts, code[done:]))


def is_misread(code: bytes) -> bool:
    """Whether psql would read it in another way."""
    return as_meant(code) != code


def _said_apart(token: re.Match[bytes]) -> bytes:
    return b': "%b"' % token["variable"] if token["variable"] else b'"begin"'
