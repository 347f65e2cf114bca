"""The database that is filled beside the live one: made as the dump says, filled, analysed, validated."""

from __future__ import annotations

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.formats import database_statements
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.postgres import sessions
from pgbackstop_runner.restore import content_checks, table_statistics, target_database
from pgbackstop_runner.restore import load as restore_load
from pgbackstop_runner.restore.dump_source import Only, Source
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.system import log, meter
from pgbackstop_runner.workspace import Workspace


def fill(current: Journal, outline: RestorePlan, name: str) -> None:
    """Make, fill, analyse and check it; others get in when it was handed over.

    Raises PgbackstopError, psycopg.Error.
    """
    with current.step("create"):
        create(outline, name)
    with current.step("restore"):
        load(current, outline, name)
    with current.step("analyze"):
        analyze(current, outline, name)
    with current.step("validate"):
        validate(current, outline, name)


def create(outline: RestorePlan, name: str) -> None:
    """CREATE DATABASE as the dump says, for whoever restores alone: nobody else gets in before ``hand_over``.

    What others exchange in it meanwhile would run with the rights of that role. Only superusers can give
    objects to owners who have no rights to the database, so for any other role the owner is the dump's from
    the beginning, without the right to connect.
    """
    told = outline.blueprint.database
    made = [each for each in told["create"] if database_statements.creates(each)]
    with target_database.connect(outline.server, away_from=(outline.database,)) as connection:
        _apply(connection, outline, made, name)
        target_database.run(connection, "revoke connect on database {} from public", name)
        if not outline.as_superuser:
            _apply(connection, outline, told["owner"], name)
        if owner := outline.owner_besides:
            target_database.run(connection, "grant connect on database {} to current_user", name)
            target_database.run(connection, "revoke connect on database {} from {}", name, owner)
        target_database.run(connection, "alter database {} allow_connections true", name)
    _describe(outline, name, [each for each in told["create"] if each not in made])


def _describe(outline: RestorePlan, name: str, statements: list[bytes]) -> None:
    """Comments and settings, from inside it: elsewhere their words may be no text."""
    with sessions.connect(outline.server, name) as connection, target_database.as_stored(connection):
        cursor = connection.execute("select quote_ident(current_database())")
        own = cursor.pgresult.get_value(0, 0) if cursor.pgresult else None
        for code in statements:
            connection.execute(database_statements.renamed(code, own or b""))


def hand_over(connection: psycopg.Connection, outline: RestorePlan, name: str) -> None:
    """Give it its owner, its rights, and what would have kept us out: connection limits and the like.

    All in one transaction, or none of it.
    """
    told = outline.blueprint.database
    with connection.transaction():
        if outline.as_superuser:
            _apply(connection, outline, told["owner"], name)
        if owner := outline.owner_besides:
            target_database.run(connection, "grant connect on database {} to {}", name, owner)
            target_database.run(connection, "revoke connect on database {} from current_user", name)
        target_database.run(connection, "grant connect on database {} to public", name)
        _apply(connection, outline, [*told["rights"], *told["close"]], name)


def _apply(connection: psycopg.Connection, outline: RestorePlan, statements: list[bytes], name: str) -> None:
    """Run the dump's statements about its database on another one, byte by byte in the dump's encoding."""
    connection.execute(sql.SQL("set client_encoding to {}").format(sql.Literal(outline.blueprint.encoding)))
    codec = connection.info.encoding.replace("ascii", "utf-8")
    quoted = b'"' + name.replace('"', '""').encode(codec) + b'"'
    for code in statements:
        statement = database_statements.taking_no_connections(database_statements.renamed(code, quoted))
        if database_statements.tablespaces(code, outline.blueprint.encoding) & outline.missing_tablespaces:
            statement = database_statements.without_tablespace(statement)
        connection.execute(statement)
    connection.execute("reset client_encoding")


def load(current: Journal, outline: RestorePlan, name: str, only: Only | None = None) -> None:
    """Fill it; ``only`` limits whose rows come along. Raises AttemptFailed."""
    source = Source(
        path=outline.dump,
        plain=outline.backup.format == "plain",
        encoding=outline.blueprint.encoding,
        jobs=_jobs(current.workspace, outline),
        no_tablespaces=bool(outline.missing_tablespaces),
        rows_first=bool(outline.backup.source_not_valid),
        only=only,
        without=outline.request.without,
    )
    meter.expect(outline.backup.size_bytes, by_reading=True)
    restore_load.fill(outline.server, name, outline.binaries, source, outline.major)
    for warning in source.warnings:
        current.warn(warning)
    if source.without:
        current.warn(f"Restored without the extension {source.without}, as it was asked for.")
    for missing in source.missing:
        log.logger().warning("entry not restored", **missing.model_dump())
    current.note(missing_entries=tuple(source.missing))


def _jobs(workspace: Workspace, outline: RestorePlan) -> int:
    plan = workspace.config.plans.get(outline.backup.plan)
    return outline.request.jobs or (plan.jobs if plan else 2)


def analyze(current: Journal, outline: RestorePlan, name: str) -> None:
    """Let the planner know what is in it; what cannot be had is told, and costs nothing else."""
    with sessions.connect(outline.server, name, statement_timeout=0) as connection:
        for problem in table_statistics.gather(connection):
            current.warn(problem)


def validate(current: Journal, outline: RestorePlan, name: str) -> None:
    """Raises PgbackstopError with what is not as it was backed up."""
    results = check(current, outline, name)
    current.note(checks=results)
    problem = content_checks.failed(results)
    if problem:
        raise errors.PgbackstopError(
            f"What was restored is not what was backed up: {problem}.",
            remedy=f"It did not take the name {outline.database}. "
            f"Restore another backup than {outline.backup.id}.",
        )


def check(current: Journal, outline: RestorePlan, name: str) -> tuple[CheckResult, ...]:
    """Whether it is what was backed up, but for missing entries, and what the plan asserts."""
    plan = current.workspace.config.plans.get(outline.backup.plan)
    wanted = content_checks.expected(
        outline.request.without.apply(outline.backup),
        plan.assertions if plan else (),
        not_valid=frozenset(outline.blueprint.not_valid),
        sequences={
            name: value
            for name, value in outline.blueprint.sequences.items()
            if not outline.request.without.has_relation(name)
        },
        missing=current.record.missing_entries,
    )
    with sessions.connect(outline.server, name, statement_timeout=0) as connection:
        return content_checks.check(connection, wanted)
