"""``pgbackstop recover``: a whole server, or a point in time, into an empty directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_catalog.moments import format_time
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, prompts, recover_text

if TYPE_CHECKING:
    from pgbackstop_catalog.decisions.recovery import Target
    from pgbackstop_runner.recover.request import RecoveryRequest
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)

ServerArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[SERVER]",
        help="The server, as the configuration names it; not needed for the only one.",
        autocompletion=completion.servers,
    ),
]
IntoOption = Annotated[
    Path | None, typer.Option("--into", help="An empty directory, which becomes the data directory.")
]
TargetTimeOption = Annotated[
    str | None, typer.Option("--time", help="To this moment, with a zone: 2026-11-22T14:03:00Z.")
]
TargetLsnOption = Annotated[str | None, typer.Option("--lsn", help="To this position, like 16/B374D848.")]
TargetXidOption = Annotated[str | None, typer.Option("--xid", help="To the end of this transaction.")]
TargetNameOption = Annotated[
    str | None, typer.Option("--name", help="To this point of pg_create_restore_point().")
]
ImmediateOption = Annotated[bool, typer.Option("--immediate", help="Only the backup, no further.")]
BackupOption = Annotated[str | None, typer.Option(help="Begin from this backup.")]
TimelineOption = Annotated[int | None, typer.Option(min=1, help="Follow this timeline.")]
TablespaceOption = Annotated[
    list[str] | None, typer.Option(metavar="OID=FOLDER", help="Where a tablespace goes; repeatable.")
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Read the copies in this storage; the nearest that has any when left out.",
        autocompletion=completion.storages,
    ),
]
StartOption = Annotated[bool, typer.Option("--start", help="Start the server and replay to the target now.")]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="The port of the recovered server.")]
PauseOption = Annotated[
    bool, typer.Option("--pause", help="Stop at the target, read-only, and do not take over.")
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Read every page with pg_amcheck afterwards; takes its time.")
]
AsLiveOption = Annotated[
    bool,
    typer.Option(
        "--as-live", help="Preload and include what the live server does: workers of extensions will act."
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop there.")]


@app.command(
    epilog=options.examples(
        "recover shop --into /var/lib/postgresql/17/new",
        "recover shop --into /srv/new --time 2026-11-22T14:03:00Z",
        "recover shop --into /srv/new --from offsite",
        "recover shop --into /srv/new --dry-run",
    )
)
def recover(  # noqa: PLR0913 - each option is one independent wish
    server: ServerArgument = None,
    *,
    into: IntoOption = None,
    target_time: TargetTimeOption = None,
    target_lsn: TargetLsnOption = None,
    target_xid: TargetXidOption = None,
    target_name: TargetNameOption = None,
    immediate: ImmediateOption = False,
    backup: BackupOption = None,
    copies: FromOption = None,
    timeline: TimelineOption = None,
    tablespace: TablespaceOption = None,
    start: StartOption = False,
    port: PortOption = 5433,
    pause: PauseOption = False,
    check: CheckOption = False,
    as_live: AsLiveOption = False,
    dry_run: DryRunOption = False,
    log: options.LogLines = False,
) -> None:
    """Recover a server into an empty directory: to the latest moment, or to the one that is asked for.

    At a terminal, what is left out is asked for.
    """
    opened = options.open_for_work(as_root=True)
    from pgbackstop_catalog.decisions import recovery  # noqa: PLC0415
    from pgbackstop_runner.recover import record, request, run, source  # noqa: PLC0415 - psycopg and what hangs on it
    from pgbackstop_runner.recover.data_directory import DataDirectory  # noqa: PLC0415

    for closed in record.reconcile(opened):
        terminal.complain(f"recovery {closed.id}: {closed.message}")
    target = _target(target_time, target_lsn, target_xid, target_name, immediate=immediate)
    wish = RecoverAnswers(server=server, target=target, into=into, start=start, copies=copies)
    told = _told(opened, wish) or _asked(opened, wish, port)
    if pause and told.target is None:
        raise errors.ConfigError(
            "There is no target to pause at: without one PostgreSQL takes over at the end of the WAL.",
            remedy="Give a target, like --time or --name, or leave --pause out.",
        )
    wanted = request.RecoveryRequest(
        server=told.server,
        sources=source.candidates(opened, told.server, copies),
        target=told.target or recovery.Target(kind="latest"),
        place=DataDirectory(data=told.into.absolute(), tablespaces=_tablespaces(tablespace or [])),
        backup_id=backup,
        timeline=timeline,
        start=told.start,
        port=port,
        action="pause" if pause else "promote",
        check=check,
        as_live=as_live,
    )
    found = run.plan(opened, wanted)
    recover_text.show_plan(found.plan, told.into, port if told.start else None)
    recover_text.show_loaded(found.plan, as_live=as_live)
    recover_text.show_source(found.source)
    recover_text.show_time(run.estimate(opened, found.plan))
    if not dry_run:
        if told.by_person:
            prompts.go_on()
        _recover(opened, wanted)


def _recover(opened: Workspace, request: RecoveryRequest) -> None:
    """Do it, and show what came of it. Raises Corrupt where what was recovered is not as it should be."""
    from pgbackstop_runner.recover import run  # noqa: PLC0415

    shown = terminal.Progress(is_drawn=options.draws_bars())
    outcome = run.recover(opened, request, shown.step, shown.show)
    recover_text.show_outcome(
        outcome, opened.server(request.server).for_restores(), pause=request.action == "pause"
    )
    if outcome.failed:
        found = "; ".join(f"{each.name}: {each.detail}" for each in outcome.failed)
        raise errors.Corrupt(
            f"The recovered server runs, and is not as it should be: {found}.",
            remedy="Look whether the live server has the same. If not, recover from another backup.",
        )


@dataclass(frozen=True, kw_only=True)
class RecoverAnswers:
    """What stood on the command line; None is what was left out."""

    server: str | None
    target: Target | None
    into: Path | None
    start: bool
    copies: str | None


@dataclass(frozen=True, kw_only=True)
class RecoverOptions:
    """What is needed; ``by_person``: some of it was asked for."""

    server: str
    target: Target | None
    into: Path
    start: bool
    by_person: bool = False


def _told(opened: Workspace, wish: RecoverAnswers) -> RecoverOptions | None:
    """Everything, where the command line has it; None where a person is to be asked.

    Raises ConfigError where nobody is there to answer.
    """
    names = list(opened.config.servers)
    server = wish.server or (names[0] if len(names) == 1 else None)
    if server is not None and wish.into is not None:
        return RecoverOptions(server=server, target=wish.target, into=wish.into, start=wish.start)
    if prompts.somebody_is_there():
        return None
    missing = "the server" if server is None else "the directory to recover into"
    raise errors.ConfigError(
        f"It is not said which is {missing}.",
        remedy=f"Write: pgbackstop recover SERVER --into DIR, where SERVER is one of {', '.join(names)}.",
    )


def _asked(opened: Workspace, wish: RecoverAnswers, port: int) -> RecoverOptions:
    """Ask a person for what was left out. Raises ConfigError, NotFound."""
    server = _server(opened, wish)
    target = wish.target or _moment(opened, server, wish.copies)
    into = wish.into or Path(prompts.text("Empty directory to recover into", f"/var/tmp/recovered-{server}"))  # noqa: S108 - a person sees it and may type another
    start = wish.start or prompts.agreed(f"Start the recovered server there, on port {port}?", default=True)
    return RecoverOptions(server=server, target=target, into=into, start=start, by_person=True)


def _server(opened: Workspace, wish: RecoverAnswers) -> str:
    servers = opened.config.servers
    if wish.server is not None or len(servers) == 1:
        return wish.server or next(iter(servers))
    rows = [(name, each.address) for name, each in servers.items()]
    answer = prompts.one_of(("SERVER", "AT"), rows, "Number of the server to recover, or its name")
    return rows[answer][0] if isinstance(answer, int) else answer


def _moment(opened: Workspace, server: str, copies: str | None) -> Target | None:
    """The moment that a person wants, with the windows in sight; None is the newest byte received."""
    from pgbackstop_catalog.decisions import recovery  # noqa: PLC0415
    from pgbackstop_runner.recover import source  # noqa: PLC0415
    from pgbackstop_runner.wal import archive_reader  # noqa: PLC0415

    _used, found = source.archive(opened, server, copies)
    for each in archive_reader.windows(opened, server, found):
        terminal.say(f"Any moment from {format_time(each.start)} to {format_time(each.end)} can be reached.")
    answer = prompts.text("To which moment, as shown above with its zone; Enter for the newest byte received")
    return recovery.parse_time(answer) if answer else None


def _target(
    moment: str | None, lsn: str | None, xid: str | None, name: str | None, *, immediate: bool
) -> Target | None:
    """The target that the options name; None where they name none."""
    from pgbackstop_catalog.decisions import recovery  # noqa: PLC0415

    given = [text for text in (moment, lsn, xid, name) if text is not None]
    if len(given) + immediate > 1:
        raise errors.ConfigError(
            "Only one target can be reached.", remedy="Give one of --time, --lsn, --xid, --name, --immediate."
        )
    if moment is not None:
        return recovery.parse_time(moment)
    if lsn is not None:
        return recovery.parse_lsn(lsn)
    if xid is not None:
        return recovery.parse_xid(xid)
    if name is not None:
        return recovery.parse_name(name)
    return recovery.Target(kind="immediate") if immediate else None


def _tablespaces(given: list[str]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for text in given:
        oid, equals, folder = text.partition("=")
        if not equals or not oid.isdecimal() or not folder:
            raise errors.ConfigError(
                f"{text!r} names no tablespace.", remedy="Write it like 16385=/new/folder."
            )
        found[int(oid)] = Path(folder).absolute()
    return found
