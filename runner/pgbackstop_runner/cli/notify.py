"""``pgbackstop notify``: config, test, pending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_catalog.moments import format_time
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_catalog.config.notifications import Alertmanager

app = typer.Typer(
    no_args_is_help=True,
    help="Set up notifications, test them, and see which wait.",
    rich_markup_mode=None,
    add_completion=False,
)

_COLUMNS = (
    terminal.Column(title="SINCE (UTC)"),
    terminal.Column(title="KIND"),
    terminal.Column(title="SUMMARY"),
)
OutputOption = Annotated[
    Path | None, typer.Option(help="The file to write, mode 0600; standard output when left out.")
]
VersionOption = Annotated[
    str,
    typer.Option(
        "--alertmanager-version",
        help="The Alertmanager that will read it. A secret that it cannot read from a file of its own, as "
        "those of Telegram and of webhooks before 0.26, is written into the output.",
    ),
]
EmbedOption = Annotated[
    bool,
    typer.Option(
        "--embed-secrets",
        help="Write every secret into the output, for an Alertmanager that may not read their files.",
    ),
]
ReloadOption = Annotated[
    bool, typer.Option("--reload", help="Then let Alertmanager read its configuration again.")
]


@app.command(epilog=options.examples("notify config --output /etc/alertmanager/alertmanager.yml"))
def config(
    output: OutputOption = None,
    version: VersionOption = "0.25",
    embed: EmbedOption = False,
    reload: ReloadOption = False,
) -> None:
    """Write Alertmanager's configuration from the settings under notifications."""
    from pgbackstop_runner.notify import alertmanager, alertmanager_config, channels  # noqa: PLC0415 - jinja2 costs 60 ms

    settings = options.open_workspace().config.notifications
    server = _alertmanager(settings.alertmanager) if reload else None
    made = alertmanager_config.render(
        settings, version=alertmanager_config.parse_version(version), embed=embed
    )
    if output is not None:
        alertmanager_config.write(output, made.text)
        names = ", ".join(channels.configured(settings)) or "no channel, so alerts reach nobody"
        terminal.say(f"{output}: written for Alertmanager {version} and later, with {names}")
    elif made.holds_secrets:
        raise errors.ConfigError(
            "Secrets would stand in the output, and a screen is no place for them.",
            remedy="Write it with --output FILE, or with --alertmanager-version 0.26 where it fits.",
        )
    else:
        terminal.say(made.text.rstrip())
    if server is not None:
        alertmanager.reload(server)
        terminal.complain("Alertmanager has read its configuration again.")


@app.command(name="test", epilog=options.examples("notify test", "notify test --channel email"))
def send_test(
    channel: Annotated[
        str, typer.Option(help="Only this one, by its name under notifications; all when left out.")
    ] = "",
) -> None:
    """Send one test alert through Alertmanager, and say for each channel whether it arrived.

    Exit code 0: every channel's service took it. 1: one did not, or Alertmanager does not answer.
    2: there is no Alertmanager or no such channel in the configuration.
    """
    from pgbackstop_runner.notify import channels, test_message  # noqa: PLC0415 - urllib and smtplib cost 60 ms

    settings = options.open_workspace().config.notifications
    server, names = _alertmanager(settings.alertmanager), channels.configured(settings)
    if channel and channel not in names:
        raise errors.ConfigError(
            f"There is no channel {channel!r}.",
            remedy=f"There are: {', '.join(names) or 'none'}. Add it under notifications.",
        )
    done = test_message.run(settings, server, (channel,) if channel else names, only=channel)
    for verdict in done.verdicts:
        terminal.say(
            f"{verdict.channel}: {'arrived' if verdict.arrived else 'NOT DELIVERED'}: {verdict.words}"
        )
    if not names:
        terminal.say(
            f"Alertmanager accepted a test event and gives it to: {', '.join(done.receivers)}. No channel is "
            "configured here, so whether people hear of it is up to Alertmanager's own configuration."
        )
    raise typer.Exit(0 if all(verdict.arrived for verdict in done.verdicts) else 1)


@app.command(epilog=options.examples("notify pending --json"))
def pending(json: options.Json = False) -> None:
    """Show the notifications that are not delivered yet. Exit code 0 whether or not there are any."""
    from pgbackstop_runner.notify import backup_events  # noqa: PLC0415

    outbox = backup_events.outbox(options.open_workspace())
    waiting = [outbox.read(entry) for entry in outbox.entries()]
    if json:
        document = [event.model_dump(mode="json") for event in waiting]
        terminal.document({"pending": document, "failures": outbox.failures(), "rejected": outbox.rejected()})
        return
    if waiting:
        rows = ((format_time(event.starts_at), event.kind, event.summary) for event in waiting)
        terminal.table(_COLUMNS, rows)
    failures = sum(outbox.failures().values())
    terminal.say(f"{len(waiting)} waiting, {failures} failed tries so far, {outbox.rejected()} rejected")


def _alertmanager(settings: Alertmanager | None) -> Alertmanager:
    if settings is None:
        raise errors.ConfigError(
            "There is no Alertmanager to notify.", remedy="Set notifications.alertmanager.url."
        )
    return settings
