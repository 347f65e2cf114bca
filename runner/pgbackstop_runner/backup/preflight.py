"""What a backup needs, checked before it starts (1.1.1); everything wrong is reported at once.

The same report is printed by ``pgbackstop check``, decides whether a backup starts, and gives the flow the
facts that it needs.
"""

from __future__ import annotations

import os

import psycopg

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import clocks
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.backup import (
    connection_limits,
    databases,
    missing_rights,
    replication_checks,
    size_forecast,
)
from pgbackstop_runner.backup.preflight_report import Report
from pgbackstop_runner.failures import AttemptFailed, first_reason
from pgbackstop_runner.postgres import client_programs, left_out, sessions, undumped, versions
from pgbackstop_runner.postgres import facts as postgres_facts
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.storage import identity
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.system import files, memory, signals
from pgbackstop_runner.workspace import Workspace

# What a person waits for, with very many databases; and what the answers about all of them take.
_LONGEST_SECONDS = 300.0
_MOST_BYTES = 2**30


def bounded(workspace: Workspace, plan_name: str) -> Report:
    """Check a plan, and give a server up that answers for too long or too much. Raises NotFound."""
    plan = workspace.plan(plan_name)
    limit = min(plan.first_byte_timeout, plan.max_duration, _LONGEST_SECONDS)
    late = AttemptFailed(
        Reason.TIMEOUT,
        f"The check took longer than {units.format_duration(limit)} and was ended.",
        remedy="Look for locks and at the network.",
    )
    try:
        with signals.deadline(limit, late):
            return check(workspace, plan_name)
    except AttemptFailed as error:
        report = Report(plan=plan_name)
        report.add("time", ok=False, detail=error.problem, remedy=error.remedy, reason=error.reason)
        return report


def check(workspace: Workspace, plan_name: str, only: tuple[str, ...] = ()) -> Report:
    """Check a plan; ``only`` limits it to some of its databases. Raises NotFound for an unknown plan."""
    plan = workspace.plan(plan_name)
    target = workspace.server(plan.server)
    report = Report(plan=plan_name)
    _storage(workspace, plan, report)
    try:
        with memory.at_most(_MOST_BYTES), sessions.connect(target) as connection:
            _server(report, target, plan, connection)
            _databases(report, plan, connection, only)
    except errors.PgbackstopError as error:
        report.add(
            "connection", ok=False, detail=error.problem, remedy=error.remedy, reason=first_reason(error)
        )
        return report
    except MemoryError:
        detail = "The server's answer takes more memory than any that was asked for."
        remedy = "See that PostgreSQL is what answers there."
        report.add("server", ok=False, detail=detail, remedy=remedy, reason=Reason.UNREACHABLE)
        return report
    except psycopg.Error as error:
        answer = sessions.broken(error)
        report.add("server", ok=False, detail=answer.problem, remedy=answer.remedy, reason=answer.reason)
        return report
    if plan.is_logical:
        known_wrong = {check.database for check in report.checks if not check.ok}
        for database in report.databases:
            if database not in known_wrong:
                _database(report, target, plan, database)
        _patterns(report, plan)
    if all(each.ok for each in report.checks if each.name in {"storage", "catalog"}):
        _space(workspace, plan_name, plan, report)
    return report


def _storage(workspace: Workspace, plan: Plan, report: Report) -> None:
    name, folder = workspace.storage_of(plan)
    probe = folder / f".probe-{os.getpid()}"
    try:
        identity.require(workspace, name)
        try:
            probe.write_bytes(b"pgbackstop")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        detail = f"The storage {name} cannot be written: {folder}: {error.strerror}."
        remedy = "Check the folder's owner, mode, mount and free space."
        reason = Reason.SPACE if error.errno == 28 else Reason.STORAGE
        report.add("storage", ok=False, detail=detail, remedy=remedy, reason=reason)
    except (errors.CatalogError, StoreError) as error:
        report.add("storage", ok=False, detail=error.problem, remedy=error.remedy, reason=Reason.STORAGE)
    else:
        report.add("storage", ok=True, detail=f"{name}: {folder} is writable")
    try:
        workspace.catalog.check_writable()
    except errors.CatalogError as error:
        report.add("catalog", ok=False, detail=error.problem, remedy=error.remedy, reason=Reason.STORAGE)
    else:
        report.add("catalog", ok=True, detail=f"{workspace.catalog.location} is writable")


def _server(report: Report, target: Server, plan: Plan, connection: psycopg.Connection) -> None:
    report.facts = postgres_facts.facts(connection)
    report.rights = postgres_facts.rights(connection)
    info = connection.info  # of several hosts that which answered
    where = f"{info.host}:{info.port}"
    report.add("connection", ok=True, detail=f"PostgreSQL {report.facts.version} at {where} as {target.user}")
    if (offset := report.facts.clock_offset_seconds) is not None:
        agrees = f"the server's clock and this host's agree to {max(1, abs(round(offset)))} s"
        report.add("clock", ok=True, detail=clocks.sentence(offset) or agrees)
    if report.facts.major < versions.OLDEST:
        detail = f"PostgreSQL {report.facts.version} is older than {versions.OLDEST}."
        report.add("version", ok=False, detail=detail, remedy="Upgrade the server.")
    try:
        report.tools = client_programs.find(report.facts.major, target.bin_dir)
    except errors.ConfigError as error:
        report.add("client", ok=False, detail=error.problem, remedy=error.remedy, reason=Reason.CLIENT)
    else:
        _client(report, plan, report.tools)
    if not plan.is_logical:
        for name, wrong, detail, remedy in replication_checks.check(connection, target, report.rights):
            reason = wrong or Reason.CONFIGURATION
            report.add(name, ok=wrong is None, detail=detail, remedy=remedy, reason=reason)
        report.source_sizes[""] = postgres_facts.server_size(connection)


def _client(report: Report, plan: Plan, tools: Binaries) -> None:
    missing = [name for name in _TOOLS[plan.backup_type] if not tools.has(name)]
    if missing:
        detail = f"The client tools in {tools.folder} lack {', '.join(missing)}."
        remedy = "Install PostgreSQL's client tools in full, or correct bin_dir of the server."
        report.add("client", ok=False, detail=detail, remedy=remedy, reason=Reason.CLIENT)
    else:
        report.add("client", ok=True, detail=f"client tools {tools.version} in {tools.folder}")


_TOOLS = {"logical": ("pg_dump", "pg_dumpall", "pg_restore"), "physical": ("pg_basebackup",)}


def _databases(report: Report, plan: Plan, connection: psycopg.Connection, only: tuple[str, ...]) -> None:
    if not plan.is_logical:
        report.databases = ("",)
        return
    meant = databases.meant(connection, plan)
    report.databases = tuple(dict.fromkeys(only)) or meant
    if plan.databases == "all" and not only:
        report.left_out = tuple(databases.left_out(connection, plan))
        if report.left_out:
            report.add("databases", ok=True, detail=" ".join(report.left_out))
        if theirs := databases.of_provider(connection):
            report.add("databases", ok=True, detail=f"left out, as the provider's own: {', '.join(theirs)}")
    if plan.role_passwords and report.rights is not None and not report.rights.read_roles:
        detail = "passwords of roles are left out of the globals: the role may not read pg_authid"
        report.add("roles", ok=True, detail=detail)
    for name in report.databases:
        if name not in meant:
            detail = f"The plan does not mean a database {name!r}."
            remedy = f"It means: {', '.join(meant) or 'none'}."
            report.add("databases", ok=False, detail=detail, remedy=remedy, database=name)
        elif not databases.can_be_restored(name):
            detail = f"The name of database {name!r} holds a line break; pg_restore and psql refuse it."
            remedy = "Rename it, or list it under exclude_databases."
            report.add("databases", ok=False, detail=detail, remedy=remedy, database=name)
    if not report.databases:
        detail = "The plan names no database that exists on the server."
        remedy = "Correct databases and exclude_databases of the plan."
        report.add("databases", ok=False, detail=detail, remedy=remedy)


def _database(report: Report, target: Server, plan: Plan, database: str) -> None:
    try:
        with sessions.connect(target, database) as connection:
            report.source_sizes[database] = postgres_facts.database_size(connection)
            wrong = tuple(missing_rights.of(connection, report.rights))
            superuser = report.rights is not None and report.rights.superuser
            too_low = () if superuser else tuple(connection_limits.too_low(connection, plan))
            report.undumped[database] = undumped.find(connection)
            report.omitted[database] = left_out.of(connection, plan)
    except (errors.PgbackstopError, psycopg.Error) as error:
        known = sessions.broken(error) if isinstance(error, psycopg.Error) else error
        more = {"remedy": known.remedy, "reason": first_reason(known), "database": database}
        report.add("database", ok=False, detail=known.problem, **more)
        return
    if wrong:
        remedy = "Grant the role what it lacks: docs/how-to/create-the-role.md."
        detail = f"Role {target.user} may not dump {database!r}: {'; '.join(wrong)}."
        report.add("rights", ok=False, detail=detail, remedy=remedy, reason=Reason.RIGHTS, database=database)
    else:
        size = units.format_size(report.source_sizes[database])
        report.add(
            "rights", ok=True, detail=f"every object of {database} may be dumped ({size})", database=database
        )
    for detail, remedy in too_low:
        report.add("connections", ok=False, detail=detail, remedy=remedy, database=database)
    for said in report.undumped[database].sentences():
        report.add("extensions", ok=True, detail=f"{database}: {said}", database=database)
    for said in report.omitted[database].sentences():
        report.add("tables", ok=True, detail=f"{database}: {said}", database=database)


def _patterns(report: Report, plan: Plan) -> None:
    """A pattern that means no table anywhere is most likely misspelt."""
    for pattern in (*plan.exclude_tables, *plan.schema_only_tables):
        if report.omitted and all(pattern in each.unused for each in report.omitted.values()):
            report.add("tables", ok=True, detail=f"No database has a table like {pattern}: is it misspelt?")


def _space(workspace: Workspace, plan_name: str, plan: Plan, report: Report) -> None:
    name, folder = workspace.storage_of(plan)
    total = 0
    history = list(workspace.catalog.backups(plan_name))
    for database in report.databases:
        source = report.source_sizes.get(database)
        past = (backup for backup in history if _comparable(backup, database))
        found = size_forecast.next_size(past, source, compressed=plan.compression.method != "none")
        report.forecasts[database] = found.size_bytes
        total += found.size_bytes
    free = files.free_bytes(folder)
    reserve = workspace.config.folder(name).reserve
    if free is None:
        return
    text = f"about {units.format_size(total)} needed, {units.format_size(free)} free in {folder}"
    text += f" with {units.format_size(reserve)} in reserve"
    if total + reserve > free:
        remedy = "Make room, let fewer backups be kept, or lower reserve of the storage."
        report.add(
            "space",
            ok=False,
            detail=f"The storage {name} is too full: {text}.",
            remedy=remedy,
            reason=Reason.SPACE,
        )
    else:
        report.add("space", ok=True, detail=text)


def _comparable(backup: Backup, database: str) -> bool:
    return backup.is_available and backup.database == database and backup.method == "full"
