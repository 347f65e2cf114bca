"""``pgbackstop wal``: receive, copy, status, archive-command."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

app = typer.Typer(
    no_args_is_help=True,
    help="Archive WAL continuously, and see how that goes.",
    rich_markup_mode=None,
    add_completion=False,
)
ServerName = Annotated[
    str,
    typer.Argument(
        metavar="SERVER", help="A server of the configuration.", autocompletion=completion.servers
    ),
]


@app.command(epilog=options.examples("wal receive main"))
def receive(
    server: ServerName,
    *,
    tenure: Annotated[
        int | None, typer.Option(help="The descriptor of how long a worker's lease lasts.", hidden=True)
    ] = None,
) -> None:
    """Archive a server's WAL until ended by SIGTERM or Ctrl-C; the daemon runs one for each server.

    With workers these do, on one host after the other, and by hand it is refused.
    """
    opened = options.open_for_work()
    configured = opened.server(server)
    if not configured.wal.enabled:
        raise errors.ConfigError(
            f"WAL of {server} is not to be archived.", remedy="Set wal.enabled of the server to true."
        )
    if opened.config.workers.enabled and tenure is None:
        raise errors.ConfigError(
            f"Workers receive the WAL of {server}; of two receivers one would be in the other's way.",
            remedy="Start 'pgbackstop worker' here, too; 'pgbackstop fleet status' says who receives.",
        )
    from pgbackstop_runner.storage import identity  # noqa: PLC0415
    from pgbackstop_runner.system.tenure import Tenure  # noqa: PLC0415
    from pgbackstop_runner.wal import lease, maintenance  # noqa: PLC0415
    from pgbackstop_runner.wal import receiver as wal_receiver  # noqa: PLC0415

    held = None if tenure is None else lease.Lease(tenure=Tenure(tenure))
    with opened.state.held(f"wal-{server}", f"The WAL receiver of {server}"):
        kept = maintenance.ArchiveMaintainer(
            name=server,
            server=configured,
            root=opened.wal_archive(server),
            catalog=opened.catalog,
            state=opened.state,
            require_storage=partial(identity.require, opened, opened.wal_storage(server)),
        )
        if held is not None:
            kept.require_lease = held.require
        receiver = wal_receiver.Receiver(kept, lease=held)
        receiver.stop.install()
        receiver.run()
    terminal.complain(f"The WAL receiver of {server} has stopped.")


@app.command(epilog=options.examples("wal copy main --once"))
def copy(
    server: ServerName,
    *,
    once: Annotated[bool, typer.Option("--once", help="Send what lacks now, and end.")] = False,
) -> None:
    """Send a server's WAL to its further storages until ended; the daemon runs one for each server.

    With --once the exit code is 1 where one of them could not be reached.
    """
    opened = options.open_for_work()
    opened.server(server)
    from pgbackstop_catalog.decisions import wal_copies  # noqa: PLC0415
    from pgbackstop_runner.wal import copy_loop  # noqa: PLC0415

    storages = wal_copies.storages(opened.config, server)
    if not storages:
        raise errors.ConfigError(
            f"WAL of {server} goes to no further storage.",
            remedy="Name some under copies of its physical plan, or of wal of the server.",
        )
    if once:
        down = [each for each in copy_loop.once(opened, server, storages) if each.status == "down"]
        for each in down:
            terminal.complain(each.message)
        raise typer.Exit(1 if down else 0)
    loop = copy_loop.CopyLoop(workspace=opened, server=server, storages=storages)
    loop.stop.install()
    loop.run()


@app.command(epilog=options.examples("wal status", "wal status main --json"))
def status(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="[SERVER]", help="All servers when left out.", autocompletion=completion.servers
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show how far each server can be recovered, and how its WAL arrives; works with the server down, too.

    Exit code 5 where the storage of an archive is not there.
    """
    opened = options.open_logged()
    if server is not None:
        opened.server(server)

    from pgbackstop_runner.cli import wal_table  # noqa: PLC0415
    from pgbackstop_runner.wal import status  # noqa: PLC0415

    names = [server] if server else list(opened.config.servers)
    reports = [status.report(opened, name) for name in names]
    if json:
        terminal.values(reports)
    else:
        wal_table.status(reports)
    if any(each.archive_problem for each in reports):
        raise typer.Exit(errors.CatalogError.exit_code)


@app.command("archive-command", epilog=options.examples("wal archive-command main"))
def archive_command(server: ServerName) -> None:
    """Print the lines for postgresql.conf that archive by command instead of streaming."""
    opened = options.open_logged()
    configured = opened.server(server)

    from pgbackstop_runner.storage import identity  # noqa: PLC0415
    from pgbackstop_runner.wal import archive_command as wal_archive_command  # noqa: PLC0415

    identity.require(opened, opened.wal_storage(server))
    terminal.say(wal_archive_command.settings(opened.wal_archive(server), configured))
    if configured.wal.method != "archive_command":
        terminal.complain(f"note: set wal.method of {server} to archive_command, too.")
