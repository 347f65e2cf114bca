"""Statements of a dump about the database itself: what each is for, and the same about another database."""

from __future__ import annotations

import re
from typing import Literal

from pgbackstop_runner.formats import sql_script

Subject = Literal["create", "owner", "rights", "close"]

_IDENTIFIER = sql_script.IDENTIFIER
_ABOUT_DATABASE = re.compile(
    rb"(?P<before>(?:CREATE|ALTER|COMMENT ON) DATABASE"
    rb"|ALTER ROLE " + _IDENTIFIER + rb" IN DATABASE"
    rb"|(?P<right>GRANT|REVOKE) [A-Z, ]+ ON DATABASE"
    rb"|SECURITY LABEL FOR " + _IDENTIFIER + rb" ON DATABASE) (?P<name>" + _IDENTIFIER + rb")"
    rb"(?: OWNER TO (?P<owner>" + _IDENTIFIER + rb");\Z)?"
)
_CLOSES = re.compile(rb"ALTER DATABASE .* (?:CONNECTION LIMIT|ALLOW_CONNECTIONS|IS_TEMPLATE) = ", re.DOTALL)
_CREATES = b"CREATE DATABASE"
_TABLESPACE = re.compile(rb" TABLESPACE = (" + _IDENTIFIER + rb")")


def is_about_database(code: bytes) -> bool:
    """Whether a statement names the database that was dumped; run as it is, it would reach the live one."""
    return _ABOUT_DATABASE.match(code) is not None


def subject(code: bytes) -> Subject | None:
    """What a statement says of the database; None where it is about something else.

    Owners and rights let people in, limits keep us out: both come when the database is full.
    """
    match = _ABOUT_DATABASE.match(code)
    if match is None:
        return None
    if match["owner"]:
        return "owner"
    if match["right"]:
        return "rights"
    return "close" if _CLOSES.match(code) else "create"


def owner(code: bytes, encoding: str) -> str:
    """Whom a statement makes the database's owner; "" where it does not."""
    match = _ABOUT_DATABASE.match(code)
    return sql_script.unquoted(match["owner"], encoding) if match and match["owner"] else ""


def renamed(code: bytes, name: bytes) -> bytes:
    """A statement about the database, about another one; ``name`` is quoted and in the dump's encoding."""
    match = _ABOUT_DATABASE.match(code)
    return code[: match.start("name")] + name + code[match.end("name") :] if match else code


def creates(code: bytes) -> bool:
    """Whether a statement makes the database; others say something of it."""
    return code.startswith(_CREATES)


def taking_no_connections(code: bytes) -> bytes:
    """CREATE DATABASE of one that lets nobody in yet, no superuser either; any other statement as it is."""
    if not creates(code):
        return code
    return code.removesuffix(b";") + b" ALLOW_CONNECTIONS = false;"


def tablespaces(code: bytes, encoding: str) -> frozenset[str]:
    """The tablespace that CREATE DATABASE names, if it does."""
    if not creates(code):
        return frozenset()
    return frozenset(sql_script.unquoted(name, encoding) for name in _TABLESPACE.findall(code))


def without_tablespace(code: bytes) -> bytes:
    """CREATE DATABASE without its tablespace, for a server that does not have it."""
    return _TABLESPACE.sub(b"", code, count=1)
