"""Finding out what a restore will do, without touching anything: the backup, its bytes, the server."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import psycopg

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import restore
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import joined, word
from pgbackstop_runner.formats import dump_metadata, table_selection
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from pgbackstop_runner.formats.table_selection import TableSelection
from pgbackstop_runner.postgres import client_programs, sessions
from pgbackstop_runner.postgres import facts as postgres
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore import preflight, readable_backup, roles, select_backup, target_database
from pgbackstop_runner.restore.plan import RestorePlan, RestoreRequest
from pgbackstop_runner.restore.readable_backup import ReadableBackup
from pgbackstop_runner.restore.select_backup import BackupChoice
from pgbackstop_runner.storage import backup_files, fetched
from pgbackstop_runner.workspace import Workspace

_READ = {True: word("read to its end"), False: word("readable by pg_restore")}


@contextlib.contextmanager
def plan_restore(workspace: Workspace, request: RestoreRequest) -> Iterator[RestorePlan]:
    """Choose, check the bytes, look at the server: everything that can be wrong is told before it matters.

    What was fetched of a copy is there until the end. Raises NotFound, ConfigError, ValidationError,
    ServerUnreachable, AttemptFailed (corrupt), StoreError, CatalogError.
    """
    fetched.sweep(workspace)
    has_copy = backup_files.having_copies(workspace.catalog)
    choice = select_backup.choose(workspace.catalog.backups(), request.wanted, has_copy, now=utc_now())
    with readable_backup.opened(workspace, choice.backup, request.storage) as found:
        yield draw(workspace, request, choice, found)


def draw(
    workspace: Workspace, request: RestoreRequest, choice: BackupChoice, readable: ReadableBackup
) -> RestorePlan:
    """What a restore of a backup that can be read needs and would do. Raises as ``plan_restore`` does."""
    backup, folder = choice.backup, readable.folder
    server_name = request.server or backup.server
    server = workspace.server(server_name).for_restores()
    database = request.into or backup.database
    with target_database.connect(server, away_from=(database,)) as connection:
        major = postgres.major(connection)
        preflight.same_or_newer(backup, major)
        facts = postgres.facts(connection)
        found_tools = client_programs.confined(_tools(server, backup, major), workspace.config.drills.jail)
        tools = dataclasses.replace(found_tools, jail=request.jail)
        dump = folder / dump_metadata.dump_name(backup, readable.files)
        found = dump_metadata.read(tools, dump, plain=backup.format == "plain")
        replaced = target_database.find(connection, database)
        outline = RestorePlan(
            request=request,
            choice=choice,
            folder=folder,
            source=readable.source,
            dump=dump,
            blueprint=found,
            server_name=server_name,
            server=server,
            major=major,
            binaries=tools,
            database=database,
            replaced=replaced,
            same_server=_is_same(backup, facts.system_identifier),
            identity=facts.system_identifier,
            missing_roles=_missing_roles(request, folder, found, connection),
            bound_extensions=target_database.bound_extensions(
                connection, found.extensions - request.without.extensions
            ),
            missing_tablespaces=frozenset(found.tablespaces) - target_database.tablespaces(connection),
            estimate=restore.estimate(backup, workspace.catalog.restores(server_name)),
            checked=joined("; ", (readable.checked, _READ[backup.format == "plain"])),
            superusers=target_database.superusers(connection),
            acts_as=target_database.current_role(connection),
            live_owners=_live_owners(server, database)
            if request.method == "selection" and replaced is not None
            else frozenset(),
            free_bytes=preflight.free_bytes(connection),
            family=_family(request, backup, found),
        )
        preflight.require(connection, outline)
    return outline


def _live_owners(server: Server, database: str) -> frozenset[str]:
    """Whose functions and domains a table could use that comes into a database that lives."""
    with sessions.connect(server, database) as connection:
        return target_database.owners_of_code(connection)


def _missing_roles(
    request: RestoreRequest, folder: Path, found: DumpMetadata, connection: psycopg.Connection
) -> frozenset[str]:
    """Those that the dump names; where they are created, those that they are members of as well."""
    missing = target_database.lacking_roles(connection, found.roles)
    if not (request.roles and missing):
        return missing
    return target_database.lacking_roles(connection, roles.in_globals(folder).with_groups(missing))


def _family(request: RestoreRequest, backup: Backup, found: DumpMetadata) -> TableSelection | None:
    if request.method != "selection":
        return None
    return table_selection.choose(backup, found, request.tables, request.schemas)


def _is_same(backup: Backup, identity: str) -> bool:
    return backup.system_identifier in {"", identity}


def _tools(server: Server, backup: Backup, major: int) -> Binaries:
    """Tools that read the archive and suit the server; the server's own version if it is there."""
    made_by = int((backup.tools.get("pg_dump") or "0").partition(".")[0] or 0)
    return client_programs.find(max(major, made_by), server.bin_dir)
