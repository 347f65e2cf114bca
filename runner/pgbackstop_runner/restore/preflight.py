"""What a restore needs from the server, looked at before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgbackstop_catalog import errors, regular_file, units
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.postgres import facts
from pgbackstop_runner.restore import application_hooks, target_database
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.restore.target_database import Database
from pgbackstop_runner.system import files, phrases


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """The server that is restored into.

    ``not_owners`` are owners in the dump that the role may not act for, quoted.
    """

    extensions: frozenset[str]
    may_restore: bool
    not_owners: tuple[str, ...] = ()


def require(connection: psycopg.Connection, outline: RestorePlan) -> None:
    """Raises ValidationError with everything that the server lacks."""
    facts = TargetFacts(
        extensions=target_database.extensions(connection),
        may_restore=_may_restore(connection),
        not_owners=target_database.may_not_act_for(connection, outline.blueprint.owners),
    )
    if found := list(problems(outline, facts)):
        raise errors.ValidationError(
            " ".join(problem for problem, _remedy in found),
            remedy=" ".join(dict.fromkeys(remedy for _problem, remedy in found if remedy)),
        )


def same_or_newer(backup: Backup, major: int) -> None:
    """Raises ValidationError for a server that is older than the one that was backed up."""
    if backup.major > major:
        raise errors.ValidationError(
            f"The backup is of PostgreSQL {backup.major}; the server is {major}, which is older.",
            remedy=f"Restore into PostgreSQL {backup.major} or newer.",
        )


def problems(outline: RestorePlan, facts: TargetFacts) -> Iterator[tuple[str, str]]:
    """Yield what is in the way of the restore, each with its remedy; tokens of hooks are read from files."""
    request, old = outline.request, outline.replaced
    missing = frozenset(outline.blueprint.extensions) - facts.extensions - request.without.extensions
    if missing:
        yield (
            f"The server does not have the extension {', '.join(sorted(missing))}.",
            "Install the extension's package on the server, or restore without it: --without-extension.",
        )
    if outline.missing_roles and not request.roles:
        yield (
            f"The server does not have the role {', '.join(sorted(outline.missing_roles))}.",
            "Add --globals to create missing roles from the backup.",
        )
    if target_database.is_too_long(outline.database):
        yield (
            f"The name {outline.database!r} is longer than the {target_database.LONGEST_NAME} bytes that "
            "PostgreSQL keeps of one.",
            "Give --into a shorter name.",
        )
    if outline.method == "into" and old is not None:
        yield (f"There is a database {old.name!r} already.", "Give --into another name.")
    if outline.method == "selection" and old is None:
        yield (
            f"There is no database {outline.database!r} to restore into.",
            "Create it, or name another by --into.",
        )
    yield from _bound(outline)
    yield from _left_out(outline)
    if outline.replaces and old is not None:
        yield from _in_the_way(old)
    yield from _hooks(outline)
    if not facts.may_restore:
        yield (
            f"Role {outline.server.user} may not restore: it is no superuser, and may not both create "
            "databases and end connections.",
            "Name a superuser in restore_role of the server.",
        )
    if facts.not_owners:
        user, names = outline.server.user, ", ".join(facts.not_owners)
        yield (
            f"Role {user} may not act for {names}, who own what is restored.",
            f"Run: grant {names} to {user}; or name a superuser in restore_role of the server.",
        )
    yield from _space(outline)


def _bound(outline: RestorePlan) -> Iterator[tuple[str, str]]:
    """Extensions that can be created under one name only, which the database beside does not have."""
    for extension, name in outline.bound_extensions.items():
        if name != outline.database or not outline.under_its_name:
            yield (
                f"The extension {extension} can be created only in the database {name!r} of this server.",
                f"Restore the whole database as {name!r}, or into a server that is set up for another name, "
                f"or without it: --without-extension {extension}.",
            )
        elif outline.replaced is not None and outline.method != "in-place":
            yield (
                f"The extension {extension} can be created only in a database that is called {name!r}, and "
                "not in one beside it.",
                "Add --in-place: the live database is put aside by a rename meanwhile, gets its name back if "
                "anything fails, and is dropped only when what was restored is checked. Or restore "
                f"without it: --without-extension {extension}.",
            )


def _left_out(outline: RestorePlan) -> Iterator[tuple[str, str]]:
    """An extension that is not there, or that something else of the dump needs."""
    without, found = outline.request.without, outline.blueprint
    for extension in sorted(without.extensions - found.extensions):
        known = ", ".join(sorted(found.extensions)) or "none"
        yield f"The dump has no extension {extension!r} to be left out.", f"Its extensions: {known}."
    if needing := [f"{each.kind} {found.text(each.name)}" for each in without.needed_by(found)]:
        yield (
            f"Without {', '.join(sorted(without.extensions))} it cannot be restored: {phrases.some(needing)} "
            "of the dump needs it.",
            "Restore it under the name that the extension needs.",
        )


def _hooks(outline: RestorePlan) -> Iterator[tuple[str, str]]:
    """A token that cannot be read would be noticed when all is restored, and before anything is swapped."""
    for _name, hook in outline.hooks():
        try:
            application_hooks.token(hook)
        except errors.ConfigError as error:
            yield error.problem, error.remedy


def _in_the_way(old: Database) -> Iterator[tuple[str, str]]:
    """What keeps PostgreSQL from renaming or dropping a database."""
    if old.prepared:
        yield (
            f"{old.name} has {old.prepared} prepared transactions, which keep it from being replaced.",
            "Commit or roll them back: see pg_prepared_xacts.",
        )
    if old.subscriptions or old.slots:
        yield (
            f"{old.name} has {old.subscriptions} subscriptions and {old.slots} logical replication slots, "
            "which would stay with the old database.",
            "Drop them first, and make them anew afterwards.",
        )


_MOST_OF_CONTROL = 1 << 16  # bytes; it has 8192
# Nothing is dropped before what replaces it was filled and checked.
_ROOM = (
    "Make room, or restore into another server by --server. Where neither can be: prove the backup by "
    "'pgbackstop drill', drop the database yourself, and restore."
)


def _space(outline: RestorePlan) -> Iterator[tuple[str, str]]:
    """Room for a second copy, as far as the server's disk can be seen from here."""
    needed, free = outline.needed_bytes, outline.free_bytes
    if needed is None or free is None or needed <= free:
        return
    yield (
        f"The server's disk has {units.format_size(free)} free, and the database needs about "
        f"{units.format_size(needed)} beside the live one.",
        _ROOM,
    )


def _may_restore(connection: psycopg.Connection) -> bool:
    row = connection.execute(
        """select rolsuper, rolcreatedb and pg_has_role(current_user, 'pg_signal_backend', 'usage')
           from pg_roles where rolname = current_user"""
    ).fetchone()
    return row is None or any(row)


def free_bytes(connection: psycopg.Connection) -> int | None:
    """Free bytes of the server's disk, where its data directory is one of this host's."""
    row = connection.execute("select setting from pg_settings where name = 'data_directory'").fetchone()
    if row is None or not row[0]:
        return None
    folder = Path(row[0])
    return files.free_bytes(folder) if _is_data_of(folder, facts.system_identifier(connection)) else None


def _is_data_of(folder: Path, identity: str) -> bool:
    """Whether the directory is that server's: pg_control begins with the system identifier.

    Another host's server says where it is, and here a pipe may have that name.
    """
    try:
        content = regular_file.read(folder / "global" / "pg_control", _MOST_OF_CONTROL)
    except OSError:
        return False
    return str(int.from_bytes(content[:8], "little")) == identity
