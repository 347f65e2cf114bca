"""The roles that a statement of a dump names: owners, grantees, and whom policies are for. Pure."""

from __future__ import annotations

import re

from pgbackstop_runner.formats import sql_script
from pgbackstop_runner.postgres import shared_names

_IDENTIFIER = sql_script.IDENTIFIER
_OWNER = re.compile(rb"OWNER TO (" + _IDENTIFIER + rb");\Z")
_OWNERS = (
    _OWNER,
    re.compile(rb"ALTER DEFAULT PRIVILEGES FOR ROLE (" + _IDENTIFIER + rb") "),
)
_POLICY = (
    rb"CREATE POLICY " + _IDENTIFIER + rb" ON " + _IDENTIFIER + rb"\." + _IDENTIFIER
    + rb"(?: AS RESTRICTIVE)?(?: FOR [A-Z]+)? TO "
)  # fmt: skip
_OTHERS = (
    re.compile(
        rb"(?:ALTER DEFAULT PRIVILEGES .* )?(?:GRANT .* TO|REVOKE .* FROM) ("
        + _IDENTIFIER
        + rb")(?: WITH GRANT OPTION)?(?: GRANTED BY .*)?;\Z",
        re.DOTALL,
    ),
    re.compile(rb"SET SESSION AUTHORIZATION '?(" + _IDENTIFIER + rb")'?;\Z"),
    re.compile(rb"ALTER ROLE (" + _IDENTIFIER + rb") IN DATABASE "),
    re.compile(rb"CREATE USER MAPPING FOR (" + _IDENTIFIER + rb") SERVER "),
    re.compile(_POLICY + rb"(" + _IDENTIFIER + rb"(?:, " + _IDENTIFIER + rb")*)"),
)
# No role is called so.
_KEYWORDS = frozenset({b"PUBLIC", b"public", b"DEFAULT"})


def called(identifier: bytes) -> str:
    """A role by the bytes that PostgreSQL keeps of its name, as sessions read them.

    All databases share them: the same role is another word in a dump of another encoding.
    """
    name = sql_script.unquoted(identifier, "SQL_ASCII")
    return shared_names.told(name.encode(errors="surrogateescape"))


def owners(code: bytes) -> frozenset[bytes]:
    """The identifiers of those whom somebody who runs it must be able to act for."""
    return _found(_OWNERS, code)


def named(code: bytes) -> frozenset[bytes]:
    """The identifiers of all, the owners too."""
    return _found((*_OWNERS, *_OTHERS), code)


def _found(patterns: tuple[re.Pattern[bytes], ...], code: bytes) -> frozenset[bytes]:
    matches = (pattern.search(code) if pattern is _OWNER else pattern.match(code) for pattern in patterns)
    lists = [match[1] for match in matches if match]
    return frozenset(name for each in lists for name in re.findall(_IDENTIFIER, each)) - _KEYWORDS
