"""``pgbackstop token``: which programs may use the console's API."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options, times

if TYPE_CHECKING:
    from datetime import datetime

    from pgbackstop_runner.console.tokens import Token
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True, help="Tokens of the console's API.", rich_markup_mode=None, add_completion=False
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What uses it, for the audit.")]


class Role(StrEnum):
    """What a token may do; as a user's."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command(epilog=options.examples("token create deploy --role operator --expires 90d"))
def create(
    name: NameArgument,
    *,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    expires: Annotated[str, typer.Option(help="How long it lasts, like 12h or 90d.")] = "90d",
) -> None:
    """Make a token and print it, this once: only its hash is kept. It counts at once."""
    seconds = _duration(expires)
    opened = options.open_for_work()
    from pgbackstop_catalog.model import utc_now  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_runner.console import tokens  # noqa: PLC0415

    operator = _audited(opened, "token create", name)
    secret, made = tokens.create(opened, name, role.value, seconds=seconds, operator=operator, now=utc_now())
    terminal.complain(
        f"Token {made.name}, {made.role}, ends {times.sentence(made.expires_at)}. Keep it well:"
    )
    terminal.say(secret)


@app.command("list", epilog=options.examples("token list --json"))
def show_list(*, json: options.Json = False) -> None:
    """List the tokens, those that have ended too; never what programs send."""
    opened = options.open_logged()
    from pgbackstop_catalog.model import utc_now  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_runner.console import tokens  # noqa: PLC0415

    found = list(tokens.known(opened, options.report))
    if json:
        terminal.document([each.model_dump(mode="json", exclude={"sha256"}) for each in found])
    elif found:
        terminal.table(_columns(), (_row(each, utc_now()) for each in found))
    else:
        terminal.say("There is no token. 'pgbackstop token create NAME' makes one.")


@app.command(epilog=options.examples("token revoke deploy"))
def revoke(name: NameArgument) -> None:
    """Remove a token, which counts at once."""
    opened = options.open_for_work()
    from pgbackstop_runner.console import tokens  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    _audited(opened, "token revoke", name)
    tokens.revoke(opened, name)
    terminal.say(f"Token {name} lets nobody in any more.")


def _audited(opened: Workspace, action: str, name: str) -> str:
    """Who does it, once it is in the audit. Raises ConfigError for what is no name, CatalogError."""
    from pgbackstop_runner.console import audit, tokens  # noqa: PLC0415
    from pgbackstop_runner.journal import restore as journal  # noqa: PLC0415

    tokens.require_name(name)
    operator = journal.operator()
    deed = audit.Deed(user=operator, address="command line", action=action, subject=name, outcome="asked for")
    audit.write(opened, deed)
    return operator


def _duration(text: str) -> float:
    try:
        seconds = units.parse_duration(text)
    except ValueError as error:
        raise errors.ConfigError(f"{text!r} is no duration.", remedy="Write it like 12h or 90d.") from error
    if seconds <= 0:
        raise errors.ConfigError("The token would be over already.", remedy="Let it last longer.")
    return seconds


def _columns() -> tuple[terminal.Column, ...]:
    titles = ("NAME", "ROLE", times.title("CREATED"), "BY", times.title("ENDS"), "STATE")
    return tuple(terminal.Column(title=each) for each in titles)


def _row(token: Token, now: datetime) -> tuple[str, ...]:
    state = "ended" if token.is_over(now) else "in use"
    ends = times.cell(token.expires_at)
    return token.name, token.role, times.cell(token.created_at), token.created_by, ends, state
