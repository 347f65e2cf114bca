"""Roles that a dump needs and the server lacks, from the backup's globals; others stay as they are."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_runner.formats import role_names, sql_script
from pgbackstop_runner.formats.dump_files import GLOBALS
from pgbackstop_runner.restore import target_database
from pgbackstop_runner.restore.plan import RestorePlan

_IDENTIFIER = sql_script.IDENTIFIER
_OF_ROLE = re.compile(rb"(?:CREATE|ALTER|COMMENT ON) ROLE (" + _IDENTIFIER + rb")(?! IN DATABASE)")
_MEMBER = re.compile(rb"GRANT (" + _IDENTIFIER + rb") TO (" + _IDENTIFIER + rb")")
_GRANTED_BY = re.compile(rb" GRANTED BY " + _IDENTIFIER + rb";\Z")
_SUPERUSER = re.compile(rb"ALTER ROLE " + _IDENTIFIER + rb" WITH SUPERUSER ")


@dataclass(frozen=True, kw_only=True)
class Globals:
    """The names of all roles in a backup's globals, and of the superusers among them, in their order.

    ``memberships`` are pairs of a member and the role that it is a member of.
    """

    roles: frozenset[str]
    superusers: tuple[str, ...]
    memberships: frozenset[tuple[str, str]] = frozenset()

    def with_groups(self, roles: frozenset[str]) -> frozenset[str]:
        """Those roles and all that they are members of, as far as the globals make them."""
        found = roles
        while more := frozenset(group for member, group in self.memberships if member in found) - found:
            found |= more
        return found & (roles | self.roles)


def create(outline: RestorePlan) -> frozenset[str]:
    """Create the missing roles, with their attributes, settings and memberships; returns their names.

    Raises NotFound where the globals do not have one of them, psycopg.Error where PostgreSQL refuses.
    """
    about_roles = statements(outline.folder, outline.missing_roles)
    created = {name for name, code in about_roles if code.startswith(b"CREATE ROLE")}
    if lacking := sorted(outline.missing_roles - created):
        raise errors.NotFound(
            f"The backup's {GLOBALS} does not have the role {', '.join(lacking)}.",
            remedy="Create it by hand.",
        )
    with (
        target_database.connect(outline.server, away_from=(outline.database,)) as connection,
        target_database.as_stored(connection),
        connection.transaction(),
    ):
        ours = set[bytes]()
        for _name, code in about_roles:
            _run(connection, code, ours)
    return frozenset(created)


def _run(connection: psycopg.Connection, code: bytes, ours: set[bytes]) -> None:
    """A membership whose grantor may not grant it here is granted by us, and then among ``ours``.

    Since 16 only the first superuser may grant without the ADMIN option, and here another may be the first.
    """
    membership = _MEMBER.match(code)
    own = _GRANTED_BY.sub(b";", code) if membership else code
    try:
        with connection.transaction():
            connection.execute(code)
    except psycopg.errors.CharacterNotInRepertoire:
        _run_as_letters(connection, own)
    except psycopg.Error:
        if membership is None or own == code:
            raise
        connection.execute(added(membership[0], own) if membership[0] in ours else own)
        ours.add(membership[0])


def added(membership: bytes, code: bytes) -> bytes:
    """What that grant of a membership gives beyond an earlier one by the same grantor.

    The options of several grantors hold side by side; a second GRANT of one takes what the first one gave.
    """
    options = code.removeprefix(membership).removeprefix(b" WITH ").removesuffix(b";").split(b", ")
    given = [each for each in options if each and not each.endswith(b" FALSE")]
    if any(each.startswith(b"INHERIT ") for each in options) and b"SET FALSE" not in options:
        given.append(b"SET TRUE")  # what pg_dumpall leaves out, of 16 and later
    return membership + (b" WITH " + b", ".join(given) if given else b"") + b";"


def _run_as_letters(connection: psycopg.Connection, code: bytes) -> None:
    """Run what the globals say of a name that is no text here: in LATIN1 any byte is a letter."""
    with (
        target_database.encoded(connection, "LATIN1"),
        contextlib.suppress(psycopg.errors.DuplicateObject),
        connection.transaction(),
    ):
        connection.execute(code)


def in_globals(folder: Path) -> Globals:
    """All roles that a backup's globals have. Raises OSError."""
    roles, superusers, memberships = set(), list[str](), set()
    with (folder / GLOBALS).open("rb") as file:
        for piece in sql_script.pieces(file):
            match = _OF_ROLE.match(piece.code)
            if match is not None:
                name = role_names.called(match[1])
                roles.add(name)
                if _SUPERUSER.match(piece.code):
                    superusers.append(name)
            elif member := _MEMBER.match(piece.code):
                group, name = map(role_names.called, member.groups())
                memberships.add((name, group))
    return Globals(roles=frozenset(roles), superusers=tuple(superusers), memberships=frozenset(memberships))


def statements(folder: Path, roles: frozenset[str]) -> list[tuple[str, bytes]]:
    """The statements of a backup's globals about those roles alone, each with its role. Raises OSError."""
    chosen: list[tuple[str, bytes]] = []
    with (folder / GLOBALS).open("rb") as file:
        for piece in sql_script.pieces(file):
            match = _OF_ROLE.match(piece.code) or _MEMBER.match(piece.code)
            if match is None:
                continue
            name = role_names.called(match[match.lastindex or 1])
            if name in roles:
                chosen.append((name, piece.code))
    return chosen
