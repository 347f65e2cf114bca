"""A logical drill: the dump restored into a new server of the same major version, roles included."""

from __future__ import annotations

import contextlib
import dataclasses

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.drill import empty_server, work_directory
from pgbackstop_runner.drill.record import Drill
from pgbackstop_runner.drill.work_directory import DrillDirectory
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.postgres import client_programs
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.restore import new_database, planning, readable_backup, roles, target_database
from pgbackstop_runner.restore.plan import RestorePlan, RestoreRequest
from pgbackstop_runner.restore.readable_backup import ReadableBackup
from pgbackstop_runner.restore.roles import Globals
from pgbackstop_runner.restore.select_backup import BackupChoice, BackupQuery
from pgbackstop_runner.system import accounts, log
from pgbackstop_runner.workspace import Workspace

_SUPERUSER = "postgres"


def restore(drill: Drill, place: DrillDirectory, backup: Backup, wanted: str | None) -> None:
    """Restore and check it, of the storage ``wanted`` or the nearest that is whole.

    Raises PgbackstopError, psycopg.Error, OSError.
    """
    workspace = drill.workspace
    configured = workspace.server(backup.server)
    needed = work_directory.EMPTY_SERVER + (backup.source_size_bytes or backup.size_bytes or 0)
    work_directory.require_room(place, needed)
    found = client_programs.of_server(backup.major, empty_server.LOGICAL_PROGRAMS, configured.bin_dir)
    programs = dataclasses.replace(found, jail=place.jail)
    accounts.account().require_run(programs.folder / "postgres")
    with contextlib.ExitStack() as stack:
        stack.enter_context(workspace.state.lease(backup.id))
        with drill.step("read"):
            readable = stack.enter_context(
                readable_backup.opened(workspace, backup, wanted, within=place.root)
            )
        drill.reads(readable.source)
        work_directory.require_room(place, needed)  # beside what was fetched
        globals_ = _globals(readable)
        superuser = _superuser(globals_)
        started = stack.enter_context(empty_server.empty(drill, place, programs, backup, superuser))
        entered = empty_server.entered(configured, place, superuser)
        servers = {**workspace.config.servers, backup.server: entered}
        inside = dataclasses.replace(workspace, config=workspace.config.evolve(servers=servers))
        _fill(drill, inside, readable, globals_, started)
    drill.note(proven_until=backup.started_at)


def _globals(readable: ReadableBackup) -> Globals:
    """The server is made with the superuser's name."""
    try:
        return roles.in_globals(readable.folder)
    except OSError as error:
        raise AttemptFailed(
            Reason.CORRUPT, f"Backup {readable.backup.id} is damaged: {error.filename}: {error.strerror}."
        ) from error


def _superuser(globals_: Globals) -> str:
    """The first superuser by the name that it had: since 16 only that one may grant in its own name."""
    if _SUPERUSER in globals_.superusers or not globals_.superusers:
        return _SUPERUSER
    return globals_.superusers[0]


def _fill(
    drill: Drill, workspace: Workspace, readable: ReadableBackup, globals_: Globals, started: PrivateServer
) -> None:
    """The steps of a restore, into a name that is free in any server."""
    backup = readable.backup
    name = target_database.name_beside(backup.database, "drill", drill.proof.id[-6:])
    request = RestoreRequest(
        wanted=BackupQuery(backup=backup.id), into=name, roles=True, jail=started.programs.jail
    )
    with drill.step("check"):
        choice = BackupChoice(backup=backup, why="it is drilled")
        drawn = _with_all_roles(planning.draw(workspace, request, choice, readable), globals_)
    current = _unrecorded(drill, workspace, name)
    with drill.step("roles"):
        roles.create(drawn)
    with drill.step("create"):
        new_database.create(drawn, name)
    with drill.step("restore"):
        new_database.load(current, drawn, name)
    drill.note(missing_entries=current.record.missing_entries)
    with drill.step("analyze"):
        new_database.analyze(current, drawn, name)
    with drill.step("validate"):
        drill.check(*new_database.check(current, drawn, name))
        with target_database.connect(drawn.server) as connection:
            new_database.hand_over(connection, drawn, name)
    drill.require_good()
    drill.note(tool=f"pg_restore {drawn.binaries.version} into PostgreSQL {started.programs.version}")


def _with_all_roles(drawn: RestorePlan, globals_: Globals) -> RestorePlan:
    """Not only the roles that the dump needs: after a disaster all of them are wanted."""
    with target_database.connect(drawn.server) as connection:
        missing = target_database.lacking_roles(connection, drawn.missing_roles | globals_.roles)
    return dataclasses.replace(drawn, missing_roles=missing)


class _Unrecorded(Journal):
    """What the steps of a restore write to; the drill's record is the proof, so this is never saved."""

    def warn(self, text: str) -> None:
        """Log it: what is warned of in an empty server is not the live one's, and comes in each drill."""
        log.logger().info(text, drill=self.record.id)


def _unrecorded(drill: Drill, workspace: Workspace, name: str) -> Journal:
    proof = drill.proof
    record = Restore(
        id=proof.id,
        server=proof.server,
        plan=proof.plan,
        backup=proof.backup,
        database=proof.database,
        target=name,
        method="into",
        status=Status.RUNNING,
        started_at=proof.started_at,
    )
    return _Unrecorded(workspace=workspace, record=record)
