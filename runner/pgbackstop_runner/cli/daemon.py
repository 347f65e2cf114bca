"""``pgbackstop daemon``: run plans when they are due, and keep the WAL receivers and the console going."""

from __future__ import annotations

import typer

from pgbackstop_runner.cli import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def daemon() -> None:
    """Run every plan when it is due, and keep the WAL receivers going, until SIGTERM.

    SIGHUP loads the configuration anew; a broken one is refused and the old one stays.
    """
    from pgbackstop_runner.daemon import service  # noqa: PLC0415 - only what runs needs it

    opened = options.open_logged()
    options.step_down(opened)
    if not opened.config.console.is_served:
        service.run(opened)
        return
    from pgbackstop_runner.console import server  # noqa: PLC0415 - aiohttp costs memory, and is for it alone

    service.run(opened, beside=server.served)
