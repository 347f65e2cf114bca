"""``pgbackstop drill``: restore a backup for real into a throw-away server, and put the proof on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.moments import format_time, utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

if TYPE_CHECKING:
    from pgbackstop_catalog.records.proof import DrillKind, Proof
    from pgbackstop_runner.drill.run import Result
    from pgbackstop_runner.workspace import Workspace

# What was restored and is not right comes before what could not be tried.
_WORST_FIRST = tuple(
    kind.exit_code
    for kind in (
        errors.Bug,
        errors.PgbackstopError,
        errors.Corrupt,
        errors.EntriesMissing,
        errors.CatalogError,
        errors.ServerUnreachable,
        errors.ConfigError,
        errors.ValidationError,
        errors.NotFound,
        errors.Busy,
        errors.Interrupted,
    )
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)

NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[PLAN | SERVER | BACKUP_ID]",
        help="The plan, all of a server's, or this backup alone; all plans when left out.",
        autocompletion=completion.plans_servers_and_backups,
    ),
]
LogicalOption = Annotated[bool, typer.Option("--logical", help="The newest dump of each database.")]
PhysicalOption = Annotated[
    bool, typer.Option("--physical", help="The newest base backup, with all WAL after it.")
]
PitrOption = Annotated[bool, typer.Option("--pitr", help="A random moment of the recovery window.")]
TimeOption = Annotated[
    str | None, typer.Option("--time", help="This moment instead, with a zone: 2026-11-22T14:03:00Z.")
]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Choose the random moment of this seed again.")]
DatabaseOption = Annotated[
    list[str] | None, typer.Option("--database", "-d", help="Logical: only this one; repeatable.")
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        help="Prove the copies in this storage; the nearest that is whole when left out.",
        autocompletion=completion.storages,
    ),
]
TriggerOption = Annotated[
    Literal["manual", "schedule", "catch-up"], typer.Option(help="Who asks.", hidden=True)
]
ScheduledForOption = Annotated[
    str | None, typer.Option(help="The due time that this drill is for.", hidden=True)
]


@app.command(
    epilog=options.examples(
        "drill",
        "drill shop-logical --database orders",
        "drill shop --pitr",
        "drill shop --time 2026-11-22T14:03:00Z",
        "drill shop --storage offsite",
    )
)
def drill(  # noqa: PLR0913 - each option is one independent wish
    name: NameArgument = None,
    *,
    logical: LogicalOption = False,
    physical: PhysicalOption = False,
    pitr: PitrOption = False,
    time: TimeOption = None,
    seed: SeedOption = None,
    database: DatabaseOption = None,
    storage: StorageOption = None,
    trigger: TriggerOption = "manual",
    scheduled_for: ScheduledForOption = None,
    scheduled: options.Scheduled = False,
    json: options.Json = False,
    log: options.LogLines = False,
) -> None:
    """Restore a backup for real into a throw-away server, check it, and put the proof on record.

    Nothing that exists is touched. One that fails keeps no other from being made. Exit code 0 when every
    drill succeeded; else the code of what is worst, 1 where a backup was restored and that failed.
    With --scheduled only when a drill of the plan is due and not on record, else it ends silently with 0.
    """
    kind = _kind(logical=logical, physical=physical, pitr=pitr or time is not None)
    opened = options.open_for_work(as_root=True)
    from pgbackstop_catalog.decisions import recovery  # noqa: PLC0415
    from pgbackstop_runner.daemon import outside  # noqa: PLC0415
    from pgbackstop_runner.drill import run, selection  # noqa: PLC0415 - psycopg and what hangs on it
    from pgbackstop_runner.system import process_limit  # noqa: PLC0415

    process_limit.offer()  # what a drill's server answers may have no end either
    if scheduled:
        if name is None or kind is not None or database or storage is not None:
            raise errors.ConfigError(
                "--scheduled means one plan, and what its schedule asks for.", remedy="Name the plan alone."
            )
        order = outside.due_drill(opened, name, utc_now())
        if order is None:
            if json:
                terminal.values(())
            return
        trigger, scheduled_for = ("catch-up" if order.catch_up else "schedule"), order.due.isoformat()
    backup = selection.backup(opened, name)
    if backup is not None and (kind is not None or database or seed is not None):
        raise errors.ConfigError(
            "A backup that is named is drilled as it is.", remedy="Leave the other options out."
        )
    request = selection.DrillRequest(
        backup=backup,
        kind=kind,
        databases=tuple(database or ()),
        time=recovery.parse_time(time) if time is not None else None,
        seed=seed,
        storage=storage,
        trigger=trigger,
        scheduled_for=options.moment(scheduled_for),
    )
    results: list[Result] = []
    plans = (backup.plan,) if backup is not None else selection.plans(opened, name, kind)
    try:
        for plan in plans:
            for result in run.run(opened, plan, request):
                results.append(result)
                _show(opened, result, quietly=json)
    finally:  # a signal ends the rest, and what is over was made
        if json:
            terminal.values(result.proof for result in results if result.proof is not None)
    _judge(results, named=name is not None)


def _judge(results: list[Result], *, named: bool) -> None:
    """Raises Exit with the worst code; ValidationError where there was nothing to drill at all."""
    from pgbackstop_runner.drill.selection import NothingYet  # noqa: PLC0415

    made = [each for each in results if named or not isinstance(each.error, NothingYet)]
    if not made:
        # Success would let a script believe that something was proven.
        raise errors.ValidationError(
            "Nothing was drilled: no plan has a good backup yet.",
            remedy="Make one: 'pgbackstop backup PLAN'.",
        )
    codes = {each.error.exit_code for each in made if each.error is not None}
    if codes:
        raise typer.Exit(min(codes, key=_WORST_FIRST.index))


def _kind(*, logical: bool, physical: bool, pitr: bool) -> DrillKind | None:
    given: dict[DrillKind, bool] = {"logical": logical, "physical": physical, "pitr": pitr}
    wanted = [kind for kind, asked in given.items() if asked]
    if len(wanted) > 1:
        raise errors.ConfigError(
            "A drill is of one kind.", remedy="Give one of --logical, --physical, --pitr (or --time)."
        )
    return wanted[0] if wanted else None


def _show(opened: Workspace, result: Result, *, quietly: bool) -> None:
    """``quietly`` where records are printed for programs: then only what has none."""
    if result.proof is None:
        terminal.complain(f"not drilled: {result.plan}: {result.error}")
    elif not quietly:
        _show_proof(opened, result.proof)


def _show_proof(opened: Workspace, proof: Proof) -> None:
    from pgbackstop_catalog.records.attempt import Status  # noqa: PLC0415 - pydantic

    what = proof.database or proof.server
    took = units.format_duration(proof.duration_seconds or 0)
    good = f"restored and checked in {took}{_rto(opened, proof)}"
    if proof.status is not Status.SUCCEEDED:
        terminal.complain(f"{proof.id}  {proof.drill} drill of {what}: {proof.status}: {proof.message}")
    else:
        terminal.say(f"{proof.id}  {proof.drill} drill of {what}: {good}")
    terminal.say(f"  backup      {proof.backup}")
    if proof.status is Status.SUCCEEDED and proof.message:
        terminal.say(f"  chosen      {proof.message}")
    if proof.source_reason:
        where = f"the copy in {proof.copy_in}" if proof.copy_in else "the backup itself"
        terminal.say(f"  read        {where}: {proof.source_reason}")
    if proof.proven_until is not None:
        terminal.say(f"  proven      until {format_time(proof.proven_until)}")
    if proof.rpo_seconds is not None:
        terminal.say(f"  would lose  at most {units.format_duration(proof.rpo_seconds)}")
    for missing in proof.missing_entries:
        terminal.say(f"  NOT restored: {missing.entry}: {missing.error}")
    for each in proof.checks:
        terminal.say(f"  {'ok ' if each.ok else 'BAD'} {each.name}: {each.detail}")


def _rto(opened: Workspace, proof: Proof) -> str:
    plan = opened.config.plans.get(proof.plan)
    if plan is None or proof.duration_seconds is None:
        return ""
    word = "within" if proof.duration_seconds <= plan.rto_target else "MORE THAN"
    return f", {word} the {units.format_duration(plan.rto_target)} of rto_target"
