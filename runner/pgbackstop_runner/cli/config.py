"""``pgbackstop config``: check, show, schema, example, reference."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.moments import utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    help="Check and show the configuration.",
    rich_markup_mode=None,
    add_completion=False,
)


@app.command()
def check() -> None:
    """Say every error of the configuration at once, or that there is none; warn of what is open to others."""
    from pgbackstop_catalog.decisions import catalog_backup, drills, locks  # noqa: PLC0415 - pydantic
    from pgbackstop_runner.backup import exposure  # noqa: PLC0415
    from pgbackstop_runner.notify import channels  # noqa: PLC0415 - urllib costs 30 ms
    from pgbackstop_runner.storage import open as storages  # noqa: PLC0415

    opened = options.open_workspace()
    for name, storage in opened.config.storages.items():
        storages.open_store(name, storage)  # its files of keys are read, and nobody is spoken to
    warnings = list(_of_console(opened.config.console.web_config_file))
    servers = units.format_count(len(opened.config.servers), "server")
    plans = units.format_count(len(opened.config.plans), "plan")
    terminal.say(f"{opened.file}: right ({servers}, {plans}, catalog in {opened.catalog.location})")
    if opened.config.groups:
        _tell_groups(opened.file)
    for gap in channels.gaps(opened.config.notifications):
        terminal.complain(f"warning: {gap}")
    unproven = {name: drills.outlived(name, plan, utc_now()) for name, plan in opened.config.plans.items()}
    for warning in _once_for_each_group(opened, {name: each for name, each in unproven.items() if each}):
        terminal.complain(f"warning: {warning}")
    for contradiction in locks.contradictions(opened.config, utc_now()):
        terminal.complain(f"warning: {contradiction}")
    if unsaved := catalog_backup.missing(opened.config):
        warnings.append(unsaved)
    for warning in warnings:
        terminal.complain(f"warning: {warning}")
    for open_to_others in exposure.warnings(opened.config):
        terminal.complain(f"warning: {open_to_others}")


def _once_for_each_group(opened: Workspace, found: dict[str, str]) -> Iterator[str]:
    """The warnings by plan; of the plans that a group made alike, the first stands for all."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name in found:
        server = opened.config.plans[name].server
        group = opened.config.servers[server].group or ""
        alike.setdefault((group, name.removeprefix(server) if group else name), []).append(name)
    for (group, _), (first, *others) in alike.items():
        more = f" The same of {len(others)} more plans of group {group}." if others else ""
        yield f"{found[first]}{more}"


def _tell_groups(file: Path) -> None:
    from pgbackstop_catalog.config import load  # noqa: PLC0415 - pydantic
    from pgbackstop_runner.cli import config_origins  # noqa: PLC0415

    for line in config_origins.group_lines(load.read(file)):
        terminal.say(line)


def _of_console(web_config_file: Path | None) -> Iterator[str]:
    """What is to be said of the console's certificate. Raises ConfigError where it cannot be used."""
    if web_config_file is None:
        return
    from pgbackstop_runner.console import tls  # noqa: PLC0415

    if problem := tls.read(web_config_file).warning:
        yield f"The console's certificate {problem}: browsers will refuse it."


@app.command(
    epilog=options.examples("config show --json", "config show --origin", "config show --origin pay-001")
)
def show(
    name: Annotated[
        str | None, typer.Argument(help="With --origin: only this server, plan, group or storage.")
    ] = None,
    *,
    origin: Annotated[
        bool,
        typer.Option("--origin", help="Each value with where it comes from: a line, a group, a default."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Print the configuration as it is understood, groups written out, defaults included."""
    if origin:
        _show_origins(name, json=json)
        return
    if name is not None:
        raise errors.ConfigError(f"{name!r} chooses among origins only.", remedy="Add --origin.")
    import yaml  # noqa: PLC0415

    opened = options.open_workspace()
    document = opened.config.model_dump(mode="json")
    if json:
        terminal.document(document)
    else:
        terminal.say(yaml.safe_dump(document, sort_keys=False, default_flow_style=False).rstrip())


def _show_origins(name: str | None, *, json: bool) -> None:
    from pgbackstop_catalog.config import load, locate  # noqa: PLC0415 - pydantic
    from pgbackstop_runner.cli import config_origins  # noqa: PLC0415

    found = config_origins.values(load.read(locate.find(options.Given.config)), name)
    if json:
        terminal.values(found)
    else:
        config_origins.show(found)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors and programs."""
    from pgbackstop_catalog.config import configuration  # noqa: PLC0415

    terminal.document(configuration.Config.model_json_schema())


@app.command()
def example() -> None:
    """Print a commented configuration to start from."""
    terminal.say(
        resources.files("pgbackstop_runner").joinpath("example.yaml").read_text(encoding="utf-8").rstrip()
    )


@app.command()
def reference() -> None:
    """Print every key with its meaning and default, in Markdown."""
    from pgbackstop_catalog.config import reference as config_reference  # noqa: PLC0415

    terminal.say(config_reference.document().rstrip())
