"""``pgbackstop notify``: test, pending."""

from __future__ import annotations

import typer

from pgbackstop_catalog import errors
from pgbackstop_catalog.values import format_time
from pgbackstop_runner import screen
from pgbackstop_runner.commands import options

app = typer.Typer(no_args_is_help=True, help="Test notifications and see which wait.", rich_markup_mode=None)

_COLUMNS = (screen.Column(title="SINCE (UTC)"), screen.Column(title="KIND"), screen.Column(title="SUMMARY"))


@app.command()
def test() -> None:
    """Send one test event to Alertmanager, and say whether it was accepted."""
    from pgbackstop_runner import notify  # noqa: PLC0415 - urllib costs 30 ms

    settings = options.open_workspace().config.notifications.alertmanager
    if settings is None:
        raise errors.ConfigError(
            "There is no Alertmanager to notify.", remedy="Set notifications.alertmanager.url."
        )
    notify.send_test(settings)
    screen.say("Alertmanager accepted a test event. Whether people hear of it is up to its routes.")


@app.command()
def pending(json: options.Json = False) -> None:
    """Show the notifications that are not delivered yet. Exit code 0 whether or not there are any."""
    from pgbackstop_runner import notify  # noqa: PLC0415

    outbox = notify.outbox(options.open_workspace())
    waiting = [outbox.read(entry) for entry in outbox.entries()]
    if json:
        document = [event.model_dump(mode="json") for event in waiting]
        screen.document({"pending": document, "failures": outbox.failures(), "rejected": outbox.rejected()})
        return
    if waiting:
        rows = ((format_time(event.starts_at), event.kind, event.summary) for event in waiting)
        screen.table(_COLUMNS, rows)
    failures = sum(outbox.failures().values())
    screen.say(f"{len(waiting)} waiting, {failures} failed tries so far, {outbox.rejected()} rejected")
