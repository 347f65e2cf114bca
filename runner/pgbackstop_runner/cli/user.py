"""``pgbackstop user``: who may log in to the console."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import is_name
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options, prompts

app = typer.Typer(
    no_args_is_help=True, help="Users of the console.", rich_markup_mode=None, add_completion=False
)


class Role(StrEnum):
    """What a user may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.callback()
def _group() -> None:
    """Keep ``add`` a word of its own."""


@app.command(epilog=options.examples("user add anna --role operator"))
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to log in with.")],
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.VIEWER,
) -> None:
    """Ask for a password and print what to write into the configuration; it changes no file.

    Where standard input is no terminal, the password is its first line.
    """
    if not is_name(name):
        raise errors.ConfigError(
            f"{name!r} is no name.",
            remedy="Use letters, digits, '_', '.', '-', and begin with a letter or digit.",
        )
    from pgbackstop_runner.system import password_hash  # noqa: PLC0415 - bcrypt, for this alone

    hashed = password_hash.hashed(prompts.password("Password"))
    terminal.say("console:")
    terminal.say("  users:")
    terminal.say(f"    {name}:")
    terminal.say(f"      role: {role.value}")
    terminal.say(f'      password_hash: "{hashed}"')
