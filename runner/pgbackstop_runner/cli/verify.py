"""``pgbackstop verify``: read stored backups back, every byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

if TYPE_CHECKING:
    from pgbackstop_catalog.records.backup import Backup
    from pgbackstop_runner.verify.run import VerifyResult
    from pgbackstop_runner.verify.wal_reread import WalRead
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = (
    terminal.Column(title="BACKUP"),
    terminal.Column(title="PLAN"),
    terminal.Column(title="DATABASE"),
    terminal.Column(title="READ", right=True),
    terminal.Column(title="TOOK", right=True),
    terminal.Column(title="RESULT"),
    terminal.Column(title="HOW"),
)


Trigger = Literal["manual", "schedule", "catch-up"]


@app.command(
    epilog=options.examples(
        "verify",
        "verify shop-logical --all",
        "verify 20261122T020000Z-5f3a9c04",
        "verify shop-logical --storage offsite",
    )
)
def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN | BACKUP_ID]",
            help="The newest backups of this plan, or this backup alone.",
            autocompletion=completion.plans_and_backups,
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every backup that is kept, not the newest.")] = False,
    due: Annotated[
        bool,
        typer.Option("--due", help="Those whose reading is the longest ago, as many as a day's bytes allow."),
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(help="Read the copies in this storage instead.", autocompletion=completion.storages),
    ] = None,
    trigger: Annotated[Trigger, typer.Option(help="Who asks.", hidden=True)] = "manual",
    scheduled_for: Annotated[
        str | None, typer.Option(help="The due time that this is for.", hidden=True)
    ] = None,
    json: options.Json = False,
    log: options.LogLines = False,
) -> None:
    """Read backups back, every byte: the newest good one of each plan and database when none is named.

    Exit code 0 when all of them pass, 8 when one is damaged, 1 when one could not be read for another
    reason. A damaged backup counts as failed from then on.
    """
    if due and (every or name is not None or storage is not None):
        raise errors.ConfigError(
            "--due chooses by itself.", remedy="Leave out the plan, --all and --storage."
        )
    opened = options.open_for_work()
    if due:
        (done, wal), busy = _due(opened, trigger, scheduled_for, quietly=json), None
    else:
        (done, busy), wal = _run(opened, name, storage, every=every), []
    if json:
        terminal.values(each.proof for each in done)
    elif done:
        terminal.table(_COLUMNS, (_row(each) for each in done))
    _judge(done, busy, wal)


def _run(
    opened: Workspace, name: str | None, storage: str | None, *, every: bool
) -> tuple[list[VerifyResult], errors.Busy | None]:
    """Plan by plan; one that is being verified already does not keep the others from it."""
    from pgbackstop_runner.verify import copies, run, targets  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    done: list[VerifyResult] = []
    busy: errors.Busy | None = None
    for plan, backups in _in(
        opened, targets.select(opened, name, every=every, storage=storage), storage
    ).items():
        try:
            if storage is None:
                done += run.plan(opened, plan, backups, whole=True)
            else:
                done += copies.plan(opened, plan, backups, storage)
        except errors.Busy as error:
            busy = error
    return done, busy


def _in(
    opened: Workspace, wanted: dict[str, tuple[Backup, ...]], storage: str | None
) -> dict[str, tuple[Backup, ...]]:
    """Those of which the storage has a copy, where one is named. Raises NotFound where it has none."""
    from pgbackstop_runner.verify import copies  # noqa: PLC0415

    if storage is None:
        return wanted
    found = {plan: copies.copied(opened, backups, storage) for plan, backups in wanted.items()}
    if not any(found.values()):
        raise errors.NotFound(
            f"The storage {storage} holds no copy of what is to be read.",
            remedy="Backups themselves are read without --storage; 'pgbackstop copy' makes copies.",
        )
    return found


def _due(
    opened: Workspace, trigger: Trigger, scheduled_for: str | None, *, quietly: bool
) -> tuple[list[VerifyResult], list[WalRead]]:
    """What was read of backups, and then of WAL."""
    from pgbackstop_catalog.model import utc_now  # noqa: PLC0415
    from pgbackstop_runner.verify import reread, run, wal_reread  # noqa: PLC0415

    due = options.moment(scheduled_for)
    asked = run.Asked(trigger=trigger, scheduled_for=due or utc_now())
    turns = reread.choose(opened, asked)
    if not turns.now and not quietly:
        more = f" {turns.left} wait for another day's bytes (verify.bytes_per_day)." if turns.left else ""
        terminal.say(f"Nothing is due to be read now.{more}")
    done = list(reread.read(opened, turns, asked))
    wal = list(wal_reread.read(opened, turns.bytes_left))
    if not quietly:
        for each in wal:
            terminal.say(_wal(each))
    return done, wal


def _wal(read: WalRead) -> str:
    size = units.format_size(read.read_bytes)
    where = f" in {read.storage}" if read.storage else ""
    return f"Read {units.format_count(read.segments, 'segment')} of the WAL of {read.server}{where}, {size}."


def _judge(done: list[VerifyResult], busy: errors.Busy | None, wal: list[WalRead]) -> None:
    """Raises Corrupt, Busy, Exit with 1 where not everything passed."""
    damaged = [each for each in done if each.is_damaged]
    if damaged:
        some = ", ".join(each.backup.id for each in damaged[:3])
        first = damaged[0].proof.message
        what, then = _what(damaged)
        raise errors.Corrupt(
            f"{len(damaged)} of {len(done)} {what} did not pass ({some}): {first}",
            remedy=f"See 'pgbackstop show' with the backup's id, and {then}.",
        )
    for each in wal:
        for problem in each.damaged.values():
            if each.storage is not None:
                raise errors.Corrupt(
                    f"The copy of the WAL of {each.server} in {each.storage} is damaged: {problem}.",
                    remedy="The daemon's copier, or 'pgbackstop copy', sends it again if the archive still "
                    f"has it; else see 'pgbackstop window {each.server}'.",
                )
            raise errors.Corrupt(
                f"The WAL archive of {each.server} is damaged: {problem}.",
                remedy="Backups and the WAL before it are good. Put it back from a copy, or make a new "
                f"physical backup; see 'pgbackstop window {each.server}'.",
            )
    failed = [each for each in done if not each.passed]
    if failed:
        terminal.complain(f"not verified: {failed[0].backup.id}: {failed[0].proof.message}")
        raise typer.Exit(1)
    if busy is not None:
        raise busy


def _what(damaged: list[VerifyResult]) -> tuple[str, str]:
    """What did not pass, and what is to be done."""
    copies = sum(each.proof.copy_in is not None for each in damaged)
    if copies == len(damaged):
        return "copies", "make the copies again: 'pgbackstop copy'"
    return "backups and copies" if copies else "backups", "make new backups now"


def _row(each: VerifyResult) -> tuple[str, ...]:
    proof = each.proof
    return (
        proof.backup,
        proof.plan,
        proof.database or "-",
        units.format_size(proof.read_bytes or 0),
        units.format_duration(proof.duration_seconds or 0.0),
        "damaged" if each.is_damaged else proof.status.value,
        proof.message or proof.tool,
    )
