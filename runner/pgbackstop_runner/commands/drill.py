"""``pgbackstop drill``: restore a backup for real into a throw-away server, and put the proof on record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.records import DrillKind, Status
from pgbackstop_catalog.values import format_time
from pgbackstop_runner import screen
from pgbackstop_runner.commands import options

if TYPE_CHECKING:
    from pgbackstop_catalog.records import Proof
    from pgbackstop_runner.drill.flow import Result
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def drill(  # noqa: PLR0913 - each option is one independent wish
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PLAN | SERVER]", help="The plan, or all of a server's; all when left out."),
    ] = None,
    *,
    logical: Annotated[bool, typer.Option("--logical", help="The newest dump of each database.")] = False,
    physical: Annotated[
        bool, typer.Option("--physical", help="The newest base backup, with all WAL after it.")
    ] = False,
    pitr: Annotated[bool, typer.Option("--pitr", help="A random moment of the recovery window.")] = False,
    time: Annotated[
        str | None, typer.Option("--time", help="This moment instead, with a zone: 2026-11-22T14:03:00Z.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Choose the random moment of this seed again.")
    ] = None,
    database: Annotated[
        list[str] | None, typer.Option("--database", "-d", help="Logical: only this one; repeatable.")
    ] = None,
    trigger: Annotated[
        Literal["manual", "schedule", "catch-up"], typer.Option(help="Who asks.", hidden=True)
    ] = "manual",
    scheduled_for: Annotated[
        str | None, typer.Option(help="The due time that this drill is for.", hidden=True)
    ] = None,
    json: options.Json = False,
) -> None:
    """Restore a backup for real into a throw-away server, check it, and put the proof on record.

    Nothing that exists is touched. Exit code 0 when every drill succeeded; when all failed for one cause,
    the code of that cause; else 1.
    """
    kind = _kind(logical=logical, physical=physical, pitr=pitr or time is not None)
    opened = options.open_for_work()
    from pgbackstop_catalog import recovery  # noqa: PLC0415
    from pgbackstop_runner.drill import choose, flow  # noqa: PLC0415 - psycopg and what hangs on it

    request = choose.Request(
        kind=kind,
        databases=tuple(database or ()),
        time=recovery.parse_time(time) if time is not None else None,
        seed=seed,
        trigger=trigger,
        scheduled_for=_moment(scheduled_for),
    )
    results = [
        result for plan in choose.plans(opened, name, kind) for result in flow.run(opened, plan, request)
    ]
    if json:
        screen.values(result.proof for result in results)
    else:
        for result in results:
            _show(opened, result)
    codes = {result.error.exit_code if result.error else 0 for result in results}
    if codes != {0}:
        raise typer.Exit(codes.pop() if len(codes) == 1 else errors.PgbackstopError.exit_code)


def _kind(*, logical: bool, physical: bool, pitr: bool) -> DrillKind | None:
    given: dict[DrillKind, bool] = {"logical": logical, "physical": physical, "pitr": pitr}
    wanted = [kind for kind, asked in given.items() if asked]
    if len(wanted) > 1:
        raise errors.ConfigError(
            "A drill is of one kind.", remedy="Give one of --logical, --physical, --pitr (or --time)."
        )
    return wanted[0] if wanted else None


def _moment(text: str | None) -> datetime | None:
    from pgbackstop_catalog import recovery  # noqa: PLC0415

    return recovery.parse_time(text).moment if text is not None else None


def _show(opened: Workspace, result: Result) -> None:
    proof = result.proof
    what = proof.database or proof.server
    took = units.format_duration(proof.duration_seconds or 0)
    good = f"restored and checked in {took}{_rto(opened, proof)}"
    if proof.status is not Status.SUCCEEDED:
        screen.complain(f"{proof.id}  {proof.drill} drill of {what}: {proof.status}: {proof.message}")
    else:
        screen.say(f"{proof.id}  {proof.drill} drill of {what}: {good}")
    screen.say(f"  backup      {proof.backup}")
    if proof.status is Status.SUCCEEDED and proof.message:
        screen.say(f"  chosen      {proof.message}")
    if proof.proven_until is not None:
        screen.say(f"  proven      until {format_time(proof.proven_until)}")
    if proof.rpo_seconds is not None:
        screen.say(f"  would lose  at most {units.format_duration(proof.rpo_seconds)}")
    for each in proof.checks:
        screen.say(f"  {'ok ' if each.ok else 'BAD'} {each.name}: {each.detail}")


def _rto(opened: Workspace, proof: Proof) -> str:
    plan = opened.config.plans.get(proof.plan)
    if plan is None or proof.duration_seconds is None:
        return ""
    word = "within" if proof.duration_seconds <= plan.rto_target else "MORE THAN"
    return f", {word} the {units.format_duration(plan.rto_target)} of rto_target"
