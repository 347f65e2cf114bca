"""A logical drill: the dump restored into a new server of the same major version, roles included."""

from __future__ import annotations

import dataclasses

from pgbackstop_catalog.records.backup import Backup, Reason, Status
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner import account, binaries, locks
from pgbackstop_runner.drill import ground, server
from pgbackstop_runner.drill.ground import Ground
from pgbackstop_runner.drill.journal import Drill
from pgbackstop_runner.failure import AttemptFailed
from pgbackstop_runner.recover import run as recovery
from pgbackstop_runner.recover.replay import Recovered
from pgbackstop_runner.restore import integrity, roles, scratch, survey, target
from pgbackstop_runner.restore.choose import Wanted
from pgbackstop_runner.restore.journal import Journal
from pgbackstop_runner.restore.outline import Outline, Request
from pgbackstop_runner.restore.roles import Globals
from pgbackstop_runner.workspace import Workspace

_SUPERUSER = "postgres"


def restore(drill: Drill, place: Ground, backup: Backup) -> None:
    """Restore and check it. Raises PgbackstopError, psycopg.Error, OSError."""
    workspace = drill.workspace
    configured = workspace.server(backup.server)
    ground.require_room(place, ground.EMPTY_SERVER + (backup.source_size_bytes or backup.size_bytes or 0))
    programs = binaries.of_server(recovery.major(backup), server.LOGICAL_PROGRAMS, configured.bin_dir)
    account.account().require_run(programs.folder / "postgres")
    with locks.lease(workspace.catalog.root, backup.id):
        globals_ = _globals(workspace, backup)
        superuser = _superuser(globals_)
        with server.empty(drill, place, programs, backup, superuser) as started:
            entered = server.entered(configured, place, superuser)
            servers = {**workspace.config.servers, backup.server: entered}
            inside = dataclasses.replace(workspace, config=workspace.config.but(servers=servers))
            _fill(drill, inside, backup, globals_, started)
    drill.note(proven_until=backup.started_at)


def _globals(workspace: Workspace, backup: Backup) -> Globals:
    """Read before the bytes are checked, because the server is made with the superuser's name."""
    folder = integrity.folder_of(survey.storage(workspace, backup), backup)
    try:
        return roles.in_globals(folder)
    except OSError as error:
        raise AttemptFailed(
            Reason.CORRUPT, f"Backup {backup.id} is damaged: {error.filename}: {error.strerror}."
        ) from error


def _superuser(globals_: Globals) -> str:
    """The first superuser by the name that it had: since 16 only that one may grant in its own name."""
    if _SUPERUSER in globals_.superusers or not globals_.superusers:
        return _SUPERUSER
    return globals_.superusers[0]


def _fill(drill: Drill, workspace: Workspace, backup: Backup, globals_: Globals, started: Recovered) -> None:
    """The steps of a restore, into a name that is free in any server."""
    name = target.name_beside(backup.database, "drill", drill.proof.id[-6:])
    request = Request(wanted=Wanted(backup=backup.id), into=name, roles=True)
    with drill.step("check"):
        drawn = _with_all_roles(survey.draw(workspace, request), globals_)
    current = _unrecorded(drill, workspace, name)
    with drill.step("roles"):
        roles.create(current, drawn)
    with drill.step("create"):
        scratch.create(drawn, name)
    with drill.step("restore"):
        scratch.load(current, drawn, name)
    with drill.step("analyze"):
        scratch.analyze(drawn, name)
    with drill.step("validate"):
        drill.check(*scratch.check(workspace, drawn, name))
    drill.require_good()
    drill.note(tool=f"pg_restore {drawn.binaries.version} into PostgreSQL {started.programs.version}")


def _with_all_roles(drawn: Outline, globals_: Globals) -> Outline:
    """Not only the roles that the dump needs: after a disaster all of them are wanted."""
    with target.connect(drawn.server) as connection:
        missing = (drawn.missing_roles | globals_.roles) - target.roles(connection)
    return dataclasses.replace(drawn, missing_roles=missing)


def _unrecorded(drill: Drill, workspace: Workspace, name: str) -> Journal:
    """What the steps of a restore write to; the drill's record is the proof, so this is never saved."""
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
    return Journal(workspace=workspace, record=record)
