"""``pgbackstop storage``: create, list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, prompts

if TYPE_CHECKING:
    from pgbackstop_runner.storage.identity import StorageStatus

app = typer.Typer(
    no_args_is_help=True,
    help="Make storages, and see whether they are there.",
    rich_markup_mode=None,
    add_completion=False,
)

_COLUMNS = tuple(
    terminal.Column(title=title, state=title == "STATE")
    for title in ("STORAGE", "KIND", "PLACE", "STATE", "ID")
)


@app.command(epilog=options.examples("storage create", "storage create offsite"))
def create(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A storage; all, and the catalog, when left out.",
            autocompletion=completion.storages,
        ),
    ] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let it take the place of the one that the catalog knows.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before replacing.")] = False,
) -> None:
    """Make storages, and the catalog, for the first time; what is there already stays as it is.

    Refused where the catalog keeps backups in a storage that is not there: its disk may not be mounted.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.storage import identity  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    if replace and not yes:
        _ask(name or "all")
    names = [name] if name is not None else list(opened.config.storages)
    if identity.create_catalog(opened, replace=replace):
        terminal.say(f"The catalog is made: {opened.catalog.location}.")
    for each in names:
        mark, made = identity.create(opened, each, replace=replace)
        terminal.say(f"The storage {each} is {'made' if made else 'there'}: {mark.id}.")


@app.command("list", epilog=options.examples("storage list --json"))
def list_storages(json: options.Json = False) -> None:
    """Show every storage, and whether it is there. Exit code 1 if one is not."""
    opened = options.open_workspace()
    from pgbackstop_runner.storage import identity  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    found = [identity.look(opened, name) for name in opened.config.storages]
    if json:
        terminal.document([_document(each) for each in found])
    else:
        terminal.table(_COLUMNS, (_row(each) for each in found))
        for each in found:
            if each.problem:
                terminal.complain(each.problem)
    if not all(each.is_there for each in found):
        raise typer.Exit(1)


def _ask(name: str) -> None:
    """Raises ConfigError where the answer is another one."""
    if not prompts.somebody_is_there():
        raise errors.ConfigError("Nobody is there to answer.", remedy="Give --yes.")
    terminal.say("What the catalog knows by that name is given up; its backups count as lost.")
    if prompts.text(f"Type {name} to replace it") != name:
        raise errors.ConfigError("That is not its name; nothing was touched.")


def _row(each: StorageStatus) -> tuple[str, ...]:
    return (each.name, each.kind, each.place, "there" if each.is_there else "NOT THERE", each.id)


def _document(each: StorageStatus) -> dict[str, object]:
    return {**vars(each), "there": each.is_there}
