"""``pgbackstop monitoring``: export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

app = typer.Typer(
    no_args_is_help=True,
    help="Take the rules, dashboards and settings of the monitoring out of the installed package.",
    rich_markup_mode=None,
    add_completion=False,
)

ALERTMANAGER_NAME = "alertmanager.yml"
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}")


@app.callback()
def _group() -> None:
    pass


@app.command(
    epilog=options.examples(
        "monitoring export /etc/pgbackstop/monitoring",
        "monitoring export out --exporter backup.internal:9853",
    )
)
def export(
    folder: Annotated[Path, typer.Argument(help="The folder to write to; it is made where it is missing.")],
    exporter: Annotated[
        str, typer.Option(help="Host and port at which Prometheus reaches the exporter.")
    ] = "localhost:9853",
    grafana_url: Annotated[str, typer.Option(help="The address of Grafana, for the links in alerts.")] = (
        "http://localhost:3000"
    ),
) -> None:
    """Write alert rules, dashboards, Prometheus's scrape job, and Alertmanager's configuration.

    The last one is made from the settings under notifications, where the configuration has a channel.
    Files of an earlier version are replaced.
    """
    if _ADDRESS.fullmatch(exporter) is None:
        raise errors.ConfigError(
            f"{exporter!r} is not a valid address of the exporter.", remedy="Give it as HOST:PORT."
        )
    if re.fullmatch(r"https?://[!-~]+", grafana_url) is None:
        raise errors.ConfigError(
            f"{grafana_url!r} is not a valid address of Grafana.",
            remedy="It begins with https:// or http://.",
        )
    from pgbackstop_runner.monitoring import files  # noqa: PLC0415 - only this command needs it

    for path in files.export(folder, exporter=exporter, grafana_url=grafana_url):
        terminal.say(str(path))
    _alertmanager(folder / ALERTMANAGER_NAME)


def _alertmanager(path: Path) -> None:
    """Its configuration, from our own; without one there is nothing to say in it."""
    from pgbackstop_runner.notify import alertmanager_config, channels  # noqa: PLC0415 - jinja2 costs 60 ms

    try:
        settings = options.open_workspace().config.notifications
    except errors.ConfigError as error:
        terminal.complain(f"{path.name} is left out: {error.problem}")
        return
    if not channels.configured(settings):
        terminal.complain(f"{path.name} is left out: the configuration has no channel under notifications.")
        return
    made = alertmanager_config.render(settings, version=alertmanager_config.parse_version("0.26"))
    alertmanager_config.write(path, made.text)
    terminal.say(f"{path}  (for Alertmanager 0.26 and later; see 'pgbackstop notify config' for older ones)")
