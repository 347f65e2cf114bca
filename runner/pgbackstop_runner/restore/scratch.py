"""The database that is filled beside the live one: made as the dump says, filled, analysed, validated."""

from __future__ import annotations

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.records.backup import CheckResult
from pgbackstop_runner import server as postgres
from pgbackstop_runner import tools, validation
from pgbackstop_runner.restore import blueprint, fill, target
from pgbackstop_runner.restore.fill import Source
from pgbackstop_runner.restore.journal import Journal
from pgbackstop_runner.restore.outline import Outline
from pgbackstop_runner.workspace import Workspace


def create(outline: Outline, name: str) -> None:
    """CREATE DATABASE as the dump says: owner, encoding, locale, settings, comment, rights."""
    with target.connect(outline.server, away_from=(outline.database,)) as connection:
        _apply(connection, outline, outline.blueprint.create, name)


def _apply(connection: psycopg.Connection, outline: Outline, statements: list[bytes], name: str) -> None:
    """Run the dump's statements about its database on another one, byte by byte in the dump's encoding."""
    connection.execute(sql.SQL("set client_encoding to {}").format(sql.Literal(outline.blueprint.encoding)))
    codec = connection.info.encoding.replace("ascii", "utf-8")
    quoted = b'"' + name.replace('"', '""').encode(codec) + b'"'
    for code in statements:
        statement = blueprint.renamed(code, quoted)
        if blueprint.tablespaces_in(code) & outline.missing_tablespaces:
            statement = blueprint.without_tablespace(statement)
        connection.execute(statement)


def load(current: Journal, outline: Outline, name: str, only: fill.Only | None = None) -> None:
    """Fill it; ``only`` limits whose rows come along. Raises AttemptFailed."""
    source = Source(
        path=outline.dump,
        plain=outline.backup.format == "plain",
        jobs=_jobs(current.workspace, outline),
        no_tablespaces=bool(outline.missing_tablespaces),
        only=only,
    )
    fill.fill(outline.server, name, outline.binaries, source, outline.major)
    for warning in source.warnings:
        current.warn(warning)


def _jobs(workspace: Workspace, outline: Outline) -> int:
    plan = workspace.config.plans.get(outline.backup.plan)
    return outline.request.jobs or (plan.jobs if plan else 2)


def analyze(outline: Outline, name: str) -> None:
    """A dump has no statistics: without them the first queries after the swap would take minutes."""
    argv = [
        outline.binaries.path("vacuumdb"),
        "--analyze-only",
        "--quiet",
        "--no-password",
        "--jobs=2",
        f"--dbname={fill.connection_string(outline.server, name)}",
    ]
    tools.run("vacuumdb", argv, password=conninfo.password(outline.server))


def validate(current: Journal, outline: Outline, name: str) -> None:
    """Raises PgbackstopError with what is not as it was backed up."""
    results = check(current.workspace, outline, name)
    current.note(checks=results)
    problem = validation.failed(results)
    if problem:
        raise errors.PgbackstopError(
            f"What was restored is not what was backed up: {problem}.",
            remedy=f"It did not take the name {outline.database}. "
            f"Restore another backup than {outline.backup.id}.",
        )


def check(workspace: Workspace, outline: Outline, name: str) -> tuple[CheckResult, ...]:
    """Whether it is what was backed up, and what the plan asserts."""
    plan = workspace.config.plans.get(outline.backup.plan)
    wanted = validation.expected(
        outline.backup,
        plan.assertions if plan else (),
        not_valid=frozenset(outline.blueprint.not_valid),
        sequences=outline.blueprint.sequences,
    )
    with postgres.connect(outline.server, name, statement_timeout=0) as connection:
        return validation.check(connection, wanted)


def close_door(outline: Outline, name: str) -> None:
    """What would have kept us out while it was filled: connection limits and the like."""
    with target.connect(outline.server, away_from=(outline.database,)) as connection:
        _apply(connection, outline, outline.blueprint.close, name)
