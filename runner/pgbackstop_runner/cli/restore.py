"""``pgbackstop restore``: put a database back from a logical backup, beside the live one, and swap it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.moments import utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, prompts, restore_consent, restore_text, times

if TYPE_CHECKING:
    from pgbackstop_catalog.records.proof import MissingEntry
    from pgbackstop_runner.restore.plan import RestoreRequest
    from pgbackstop_runner.restore.select_backup import BackupQuery
    from pgbackstop_runner.workspace import Workspace

# As many as a person looks through.
_LISTED = 20

app = typer.Typer(rich_markup_mode=None, add_completion=False)

BackupArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[BACKUP]", help="An id, its beginning, or 'latest'.", autocompletion=completion.backups
    ),
]
PlanOption = Annotated[
    str | None, typer.Option(help="latest: of this plan.", autocompletion=completion.plans)
]
DatabaseOption = Annotated[str | None, typer.Option("--database", "-d", help="latest: of this database.")]
ServerOption = Annotated[
    str | None,
    typer.Option(help="Into this server, not the backup's own.", autocompletion=completion.servers),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        help="Read the backup, or its copy, in this storage; the nearest that is whole when left out.",
        autocompletion=completion.storages,
    ),
]
IntoOption = Annotated[
    str | None, typer.Option(help="Into a new database of this name; nothing is replaced.")
]
InPlaceOption = Annotated[
    bool,
    typer.Option(
        "--in-place",
        help="Drop the replaced database as soon as the restored one is checked and live. No undo.",
    ),
]
TableOption = Annotated[list[str] | None, typer.Option(help="Only this table, as schema.name; repeatable.")]
SchemaOption = Annotated[list[str] | None, typer.Option(help="Only the tables of this schema; repeatable.")]
IntoSchemaOption = Annotated[
    str | None, typer.Option(help="--table: into this schema, made if it is not there.")
]
RolesOption = Annotated[
    bool,
    typer.Option("--globals", help="Create the roles that the server lacks; others stay as they are."),
]
AcceptMissingOption = Annotated[
    bool,
    typer.Option("--accept-missing", help="Replace it even where entries of the dump cannot be restored."),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without-extension",
        metavar="NAME",
        help="Leave this extension out, with all that its own schema holds; repeatable.",
    ),
]
JobsOption = Annotated[int | None, typer.Option(min=1, max=64, help="Parallel workers; the plan's jobs.")]
FenceTimeoutOption = Annotated[
    float, typer.Option(min=1, help="Seconds until connections that do not end make it give up.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]
YesReplaceOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Replace this database without asking.")
]
TrustOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROLE",
        help="Let what this owner wrote run as the superuser who restores, without asking; repeatable.",
    ),
]
UndoOption = Annotated[str | None, typer.Option(metavar="ID", help="Go back from that restore.")]
DropOldOption = Annotated[
    str | None, typer.Option(metavar="ID", help="Drop the database that that restore replaced.")
]
CleanOption = Annotated[bool, typer.Option("--clean", help="Drop what unfinished restores left.")]


@app.command(
    epilog=options.examples(
        "restore",
        "restore latest --database orders --into orders_before",
        "restore latest --database orders --dry-run",
        "restore latest --database orders --table public.items",
        "restore latest --database orders --storage offsite",
        "restore --undo 20261122T141500Z-5f3a9c04",
    )
)
def restore(  # noqa: PLR0913 - one parameter an option: typer knows no other way
    backup: BackupArgument = None,
    *,
    plan: PlanOption = None,
    database: DatabaseOption = None,
    server: ServerOption = None,
    storage: StorageOption = None,
    into: IntoOption = None,
    in_place: InPlaceOption = False,
    table: TableOption = None,
    schema: SchemaOption = None,
    into_schema: IntoSchemaOption = None,
    roles: RolesOption = False,
    accept_missing: AcceptMissingOption = False,
    without_extension: WithoutOption = None,
    jobs: JobsOption = None,
    fence_timeout: FenceTimeoutOption = 30.0,
    dry_run: DryRunOption = False,
    yes_replace: YesReplaceOption = None,
    trust: TrustOption = None,
    undo: UndoOption = None,
    drop_old: DropOldOption = None,
    clean: CleanOption = False,
    json: options.Json = False,
    log: options.LogLines = False,
) -> None:
    """Restore a database from a logical backup; the live one stays until what was restored is checked."""
    opened = options.open_for_work(as_root=True)
    from pgbackstop_runner.restore import undo as restore_undo  # noqa: PLC0415 - psycopg and what hangs on it
    from pgbackstop_runner.restore.plan import RestoreRequest  # noqa: PLC0415
    from pgbackstop_runner.restore.select_backup import BackupQuery  # noqa: PLC0415
    from pgbackstop_runner.restore.without import Without  # noqa: PLC0415

    for closed in restore_undo.reconcile(opened):
        terminal.complain(f"restore {closed.id}: {closed.message}")
    if undo is not None:
        _undo(opened, undo, yes_replace, fence_timeout)
    elif drop_old is not None:
        _drop_old(opened, drop_old, yes_replace)
    elif clean:
        _clean(opened, server)
    else:
        wanted = BackupQuery(backup=backup or "latest", plan=plan, database=database)
        asked = not (backup or plan or database or json) and prompts.somebody_is_there()
        if asked:
            wanted = _chosen(opened)
        request = RestoreRequest(
            wanted=wanted,
            tables=tuple(table or ()),
            schemas=tuple(schema or ()),
            into_schema=into_schema,
            server=server,
            storage=storage,
            into=into,
            in_place=in_place,
            roles=roles,
            accept_missing=accept_missing,
            without=Without.of(without_extension or ()),
            jobs=jobs,
            fence_timeout=fence_timeout,
        )
        flags = _Flags(
            dry_run=dry_run, yes_replace=yes_replace, trust=tuple(trust or ()), json=json, asked=asked
        )
        _restore(opened, request, flags)


@dataclass(frozen=True, kw_only=True)
class _Flags:
    """``asked``: a person chose the backup from a list, and is asked before anything is done."""

    dry_run: bool
    yes_replace: str | None
    trust: tuple[str, ...]
    json: bool
    asked: bool


def _chosen(opened: Workspace) -> BackupQuery:
    """Let a person choose from a list. Raises NotFound, ConfigError."""
    from pgbackstop_runner.restore import select_backup  # noqa: PLC0415
    from pgbackstop_runner.storage import backup_files  # noqa: PLC0415

    found = select_backup.restorable(
        opened.catalog.backups(),
        select_backup.BackupQuery(),
        backup_files.having_copies(opened.catalog),
    )[:_LISTED]
    if not found:
        raise errors.NotFound("There is no logical backup to restore.", remedy="See 'pgbackstop list'.")
    rows = [
        (each.id, each.server, each.database, times.cell(each.finished_at),
         units.format_size(each.size_bytes or 0))
        for each in found
    ]  # fmt: skip
    titles = ("ID", "SERVER", "DATABASE", times.title("FINISHED"), "SIZE")
    answer = prompts.one_of(titles, rows, "Number of the backup to restore, or its id")
    return select_backup.BackupQuery(backup=found[answer].id if isinstance(answer, int) else answer)


def _restore(opened: Workspace, request: RestoreRequest, flags: _Flags) -> None:
    from pgbackstop_runner.restore import plan_text, planning, run  # noqa: PLC0415

    with planning.plan_restore(opened, request) as drawn:
        if not flags.json:
            restore_text.show_outline(drawn)
        if flags.dry_run:
            if flags.json:
                terminal.document(plan_text.document(drawn, utc_now()))
            return
        if drawn.phrase:
            what = f"This replaces the database {drawn.database}."
            restore_consent.require_phrase(drawn.phrase, flags.yes_replace, what)
        elif (
            not restore_consent.require_trust(drawn, flags.trust, plan_was_shown=not flags.json)
            and flags.asked
        ):
            prompts.go_on()
        done = run.run(opened, drawn, accept=_accepted)
    if flags.json:
        terminal.value(done)
    else:
        restore_text.show(done)
    if done.missing_entries:
        raise typer.Exit(errors.EntriesMissing.exit_code)


def _accepted(entries: Sequence[MissingEntry]) -> bool:
    """Whether a person takes the database without them."""
    if not prompts.somebody_is_there():
        return False
    restore_text.show_missing(entries)
    return prompts.agreed("Replace the live database by one without them?")


def _undo(opened: Workspace, restore_id: str, given: str | None, timeout: float) -> None:
    from pgbackstop_runner.restore import undo as restore_undo  # noqa: PLC0415

    found = restore_undo.find(opened, restore_id)
    restore_undo.require_old(found)
    restore_consent.require_phrase(
        found.target, given, f"This replaces the database {found.target} by {found.replaced_database}."
    )
    done = restore_undo.undo(opened, found, timeout=timeout)
    terminal.say(f"{done.target} is what it was before restore {done.id}.")
    terminal.say(f"  The restored one is kept as {done.undone_database}, closed to connections.")


def _drop_old(opened: Workspace, restore_id: str, given: str | None) -> None:
    from pgbackstop_runner.restore import undo as restore_undo  # noqa: PLC0415

    found = restore_undo.find(opened, restore_id)
    restore_undo.require_old(found, whole=False)
    old = found.replaced_database
    restore_consent.require_phrase(old, given, f"This drops the database {old}; there is no undo afterwards.")
    restore_undo.drop_old(opened, found)
    terminal.say(f"{old} is dropped.")


def _clean(opened: Workspace, server: str | None) -> None:
    from pgbackstop_runner.restore import undo as restore_undo  # noqa: PLC0415

    names = [server] if server is not None else list(opened.config.servers)
    for name in names:
        for dropped in restore_undo.clean(opened, name):
            terminal.say(f"{name}: {dropped} is dropped.")
