"""How a logical restore flows: record, lease, make, fill, validate, stop, swap, start, check.

The live database is whole at every moment: it is touched by one transaction at the end, or not at all. Only
--in-place drops it first, because a person said so in full.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import psycopg
from psycopg import sql

from pgbackstop_catalog import conninfo, errors, layout
from pgbackstop_catalog.config import Application, Hook
from pgbackstop_catalog.records import Status, new_id
from pgbackstop_catalog.restores import Restore
from pgbackstop_catalog.values import utc_now
from pgbackstop_runner import applications, locks, log, tools, validation
from pgbackstop_runner import server as postgres
from pgbackstop_runner.restore import announce, blueprint, fill, journal, roles, swap, target
from pgbackstop_runner.restore.fill import Source
from pgbackstop_runner.restore.journal import Journal
from pgbackstop_runner.restore.outline import Outline
from pgbackstop_runner.restore.swap import Rename
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, outline: Outline) -> Restore:
    """Do what the outline says; a restore that fails is on record and leaves the live database as it was.

    Raises Busy where the same database is being restored, and what made the restore fail.
    """
    name = lock_name(outline.server_name, outline.database)
    with (
        locks.held(workspace.catalog.root, name, f"A restore of {outline.database}"),
        locks.lease(workspace.catalog.root, outline.backup.id),
    ):
        current = _begin(workspace, outline)
        try:
            _restore(current, outline)
        except Exception as error:
            raise _failed(current, outline, error) from error
        return current.succeed()


def lock_name(server: str, database: str) -> str:
    """The lock of one database of a server: one restore into it at a time."""
    return f"restore-{server}-{layout.folder_name(database)}"


def _begin(workspace: Workspace, outline: Outline) -> Journal:
    backup = outline.backup
    now = utc_now()
    restore_id = new_id(now)
    record = Restore(
        id=restore_id,
        server=outline.server_name,
        plan=backup.plan,
        backup=backup.id,
        database=backup.database,
        target=outline.database,
        method=outline.method,
        status=Status.RUNNING,
        started_at=now,
        source_size_bytes=backup.source_size_bytes,
        scratch_database=target.name_beside(outline.database, "restore", restore_id[-6:]),
    ).but(**journal.here())
    current = Journal(workspace=workspace, record=record)
    current.save()
    return current


def _restore(current: Journal, outline: Outline) -> None:
    """One restore, top to bottom."""
    scratch = current.record.scratch_database
    if outline.request.roles and outline.missing_roles:
        with current.step("roles"):
            roles.create(current, outline)
    if outline.method == "in-place" and outline.replaced is not None:
        _make_room(current, outline)
    with current.step("create"):
        _create(outline, scratch)
    with current.step("restore"):
        _fill(current, outline, scratch)
    with current.step("analyze"):
        _analyze(outline, scratch)
    with current.step("validate"):
        _validate(current, outline, scratch)
    if outline.replaced is not None and outline.method == "swap":
        _replace(current, outline, scratch)
    else:
        _give_name(current, outline, scratch)


def _create(outline: Outline, scratch: str) -> None:
    """CREATE DATABASE as the dump says: owner, encoding, locale, settings, comment, rights."""
    with target.connect(outline.server, away_from=(outline.database,)) as connection:
        _apply(connection, outline, outline.blueprint.create, scratch)


def _apply(connection: psycopg.Connection, outline: Outline, statements: list[bytes], scratch: str) -> None:
    """Run the dump's statements about its database on another one, byte by byte in the dump's encoding."""
    connection.execute(sql.SQL("set client_encoding to {}").format(sql.Literal(outline.blueprint.encoding)))
    codec = connection.info.encoding.replace("ascii", "utf-8")
    quoted = b'"' + scratch.replace('"', '""').encode(codec) + b'"'
    for code in statements:
        statement = blueprint.renamed(code, quoted)
        if any(name in outline.missing_tablespaces for name in outline.blueprint.tablespaces):
            statement = blueprint.without_tablespace(statement)
        connection.execute(statement)


def _fill(current: Journal, outline: Outline, scratch: str) -> None:
    source = Source(
        path=outline.dump,
        plain=outline.backup.format == "plain",
        jobs=_jobs(current.workspace, outline),
        no_tablespaces=bool(outline.missing_tablespaces),
    )
    fill.fill(outline.server, scratch, outline.binaries, source, outline.major)
    for warning in source.warnings:
        current.warn(warning)


def _jobs(workspace: Workspace, outline: Outline) -> int:
    plan = workspace.config.plans.get(outline.backup.plan)
    return outline.request.jobs or (plan.jobs if plan else 2)


def _analyze(outline: Outline, scratch: str) -> None:
    """A dump has no statistics: without them the first queries after the swap would take minutes."""
    argv = [
        outline.binaries.path("vacuumdb"),
        "--analyze-only",
        "--quiet",
        "--no-password",
        "--jobs=2",
        f"--dbname={fill.connection_string(outline.server, scratch)}",
    ]
    tools.run("vacuumdb", argv, password=conninfo.password(outline.server))


def _validate(current: Journal, outline: Outline, scratch: str) -> None:
    """Raises PgbackstopError with what is not as it was backed up."""
    plan = current.workspace.config.plans.get(outline.backup.plan)
    wanted = validation.expected(
        outline.backup,
        plan.assertions if plan else (),
        not_valid=frozenset(outline.blueprint.not_valid),
        sequences=outline.blueprint.sequences,
    )
    with postgres.connect(outline.server, scratch, statement_timeout=0) as connection:
        results = validation.check(connection, wanted)
    current.note(checks=results)
    problem = validation.failed(results)
    if problem:
        raise errors.PgbackstopError(
            f"What was restored is not what was backed up: {problem}.",
            remedy=f"The live database was not touched. Restore another backup than {outline.backup.id}.",
        )


def _replace(current: Journal, outline: Outline, scratch: str) -> None:
    """Stop the application, exchange the databases, start it again: the only moments without service."""
    before = target.name_beside(outline.database, "before", current.record.short_id)
    renames = (
        Rename(old=outline.database, new=before, opened=False),
        Rename(old=scratch, new=outline.database, opened=True),
    )
    _close_door(outline, scratch)
    announce.to_users(current, outline, "restore starts: connections are ended")
    with application_away(current, outline.server.application):
        current.note(replaced_database=before)
        with current.step("swap"):
            swap.exchange(outline.server, renames, timeout=outline.request.fence_timeout)
    announce.to_users(current, outline, "restore done")


def _give_name(current: Journal, outline: Outline, scratch: str) -> None:
    """Nothing has the name: it is given at once."""
    _close_door(outline, scratch)
    with current.step("rename"):
        renames = (Rename(old=scratch, new=outline.database),)
        swap.exchange(outline.server, renames, timeout=outline.request.fence_timeout)
    if outline.method == "swap":
        _start(current, outline.server.application)


def _close_door(outline: Outline, scratch: str) -> None:
    """What would have kept us out while it was filled: connection limits and the like."""
    with target.connect(outline.server, away_from=(outline.database,)) as connection:
        _apply(connection, outline, outline.blueprint.close, scratch)


def _make_room(current: Journal, outline: Outline) -> None:
    """--in-place: the live database is dropped, as a person typed."""
    _stop(current, outline.server.application)
    with (
        current.step("drop"),
        target.connect(outline.server, away_from=(outline.database,)) as connection,
    ):
        target.drop(connection, outline.database)


@contextlib.contextmanager
def application_away(current: Journal, application: Application) -> Iterator[None]:
    """Stop it, and start it again whatever happens; its absence is the downtime."""
    start = time.monotonic()
    try:
        _stop(current, application)
        yield
    finally:
        _start(current, application)
        current.note(downtime_seconds=round(time.monotonic() - start, 3))


def _stop(current: Journal, application: Application) -> None:
    """Raises PgbackstopError where the application does not stop; nothing is swapped under it."""
    if application.stop is not None and not _hook(current, "stop", application.stop):
        raise errors.PgbackstopError(
            f"The application does not stop: {_last_words(current)}.",
            remedy="The live database was not touched. Mend the stop hook of the server, or stop it by hand.",
        )


def _start(current: Journal, application: Application) -> None:
    """Start and check; a failure is told, and does not undo the restore."""
    if application.start is not None and not _hook(current, "start", application.start):
        current.warn(f"The application does not start: {_last_words(current)}. Start it by hand.")
    elif application.check is not None and not _hook(current, "check", application.check):
        current.warn(f"The application does not answer as it should: {_last_words(current)}.")


def _hook(current: Journal, name: applications.HookName, hook: Hook) -> bool:
    with current.step(name):
        done = applications.run(name, hook)
        current.note(hooks=(*current.record.hooks, done))
    return done.ok


def _last_words(current: Journal) -> str:
    output = current.record.hooks[-1].output.strip().splitlines()
    return output[-1] if output else "it said nothing"


def _failed(current: Journal, outline: Outline, error: Exception) -> errors.PgbackstopError:
    """Remove what was begun, record why, and give the error that a person sees."""
    known = _known(error)
    if not _is_swapped(outline, current.record):
        current.note(replaced_database="")
        _remove_scratch(current, outline)
    current.fail(known)
    return known


def _known(error: Exception) -> errors.PgbackstopError:
    if isinstance(error, errors.PgbackstopError):
        return error
    if isinstance(error, psycopg.Error):
        words = " ".join(str(error).split())
        return errors.PgbackstopError(f"PostgreSQL refused: {words}", remedy="")
    log.logger().exception("bug")
    return errors.PgbackstopError(f"This is a bug: {type(error).__name__}: {error}")


def _is_swapped(outline: Outline, record: Restore) -> bool:
    """Whether the databases were exchanged already when it failed."""
    if not record.replaced_database:
        return False
    try:
        with target.connect(outline.server, away_from=(outline.database,)) as connection:
            return target.find(connection, record.replaced_database) is not None
    except errors.PgbackstopError:
        return True  # unknown: keep both names on record


def _remove_scratch(current: Journal, outline: Outline) -> None:
    if outline.method == "in-place" and outline.replaced is not None:
        return  # the live one is gone: what was restored so far is worth keeping
    try:
        with target.connect(outline.server, away_from=(outline.database,)) as connection:
            target.drop(connection, current.record.scratch_database)
    except (errors.PgbackstopError, psycopg.Error) as error:
        current.warn(f"{current.record.scratch_database} could not be removed: {error}")
