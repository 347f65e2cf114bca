"""``pgbackstop init``: the first configuration, and the SQL of its role, out of a few answers."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options, prompts

if TYPE_CHECKING:
    from pgbackstop_runner.setup.answers import Answers
    from pgbackstop_runner.setup.files import Written

app = typer.Typer(rich_markup_mode=None, add_completion=False)

HostOption = Annotated[str | None, typer.Option(help="Host, address, or folder of the unix socket.")]
PortOption = Annotated[int | None, typer.Option(min=1, max=65535, help="The port; 5432 when left out.")]
UserOption = Annotated[str | None, typer.Option(help="The role that makes the backups.")]
PasswordFileOption = Annotated[
    str | None, typer.Option(help="The file of its password; it is asked for where there is none yet.")
]
StorageOption = Annotated[str | None, typer.Option(help="The folder for the backups.")]
CopiesOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A storage for copies: s3://BUCKET, https://S3_SERVER/BUCKET, gs://BUCKET, "
        "azure://ACCOUNT/CONTAINER, each with a /PREFIX, or sftp://USER@HOST/FOLDER.",
    ),
]
TypeOption = Annotated[
    Literal["logical", "physical", "both"] | None, typer.Option(help="Dumps, base backups with WAL, or both.")
]
NameOption = Annotated[str, typer.Option(help="What the server is called in names of plans and folders.")]


@app.command(
    epilog=options.examples(
        "init",
        "init --host db.internal --user pgbackstop --storage /srv/backups --backup-type both --no-input",
        "-c /etc/pgbackstop/pgbackstop.yaml init --copies s3://backups/postgresql --check",
    )
)
def init(  # noqa: PLR0913 - each option is an answer
    *,
    host: HostOption = None,
    port: PortOption = None,
    user: UserOption = None,
    password_file: PasswordFileOption = None,
    storage: StorageOption = None,
    copies: CopiesOption = None,
    backup_type: TypeOption = None,
    name: NameOption = "main",
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; defaults stand in.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Run 'pgbackstop check' with it at once.")] = False,
) -> None:
    """Write a first configuration, with comments, and the SQL of the role that it needs.

    At a terminal it asks for what no option says. It writes pgbackstop.yaml, or what --config names, and
    create-role.sql beside it, and never overwrites a file. Exit code 2 where it writes nothing; with --check
    that of 'pgbackstop check', and the files stay.
    """
    from pgbackstop_catalog.config import locate  # noqa: PLC0415 - YAML costs 15 ms
    from pgbackstop_runner.setup import files  # noqa: PLC0415 - pydantic
    from pgbackstop_runner.setup.answers import Answers, BackupTypes  # noqa: PLC0415

    file = options.Given.config or Path(os.environ.get(locate.ENVIRONMENT) or locate.PLACES[0])
    files.require_new(file)
    asks = prompts.somebody_is_there() and not no_input
    defaults = Answers()
    host = host or _ask(asks, "Host of PostgreSQL, or HOST:PORT", defaults.host)
    if port is None:
        host, port = _parted(host, defaults.port)
    answers = Answers(
        host=host,
        port=port,
        user=user or _ask(asks, "Role that makes the backups", defaults.user),
        name=name,
    )
    answers, password = _with_password(file, answers, password_file, asks=asks)
    answers = dataclasses.replace(
        answers,
        storage=storage or _ask(asks, "Folder for the backups", defaults.storage),
        copies=_copies(copies, asks=asks),
        backup_types=BackupTypes(backup_type or _backup_types(asks=asks)),
    )
    written = files.write(file, answers, password)
    _show(written, answers)
    if check:
        _check(file)


def _ask(asks: bool, question: str, default: str) -> str:
    return prompts.text(question, default) if asks else default


def _parted(host: str, default: int) -> tuple[str, int]:
    """``HOST:PORT`` in two; an IPv6 address has a port only in brackets."""
    bracketed, bracket, after = host.removeprefix("[").partition("]")
    if host.startswith("[") and bracket:
        name, port = bracketed, after.removeprefix(":")
    elif host.count(":") == 1 and not host.startswith("/"):
        name, _, port = host.partition(":")
    else:
        return host, default
    if not port:
        return name, default
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise errors.ConfigError(f"{port!r} is no port.", remedy="Give one from 1 to 65535.")
    return name, int(port)


def _with_password(
    file: Path, answers: Answers, given: str | None, *, asks: bool
) -> tuple[Answers, str | None]:
    """The answers with the password's file, and the password that is to be written there, if any."""
    from pgbackstop_runner.setup import files  # noqa: PLC0415

    named = dataclasses.replace(answers, password_file=given or f"secrets/{answers.name}")
    path = files.password_path(file, named)
    if path is not None and path.exists() and (given or asks):
        return named, None
    password = prompts.password(f"Password of {answers.user} (none: libpq looks for it)") if asks else ""
    if password:
        return named, password
    return (named if given else answers), None


def _copies(given: str | None, *, asks: bool) -> str:
    """The address of a storage for copies, "" for none. Raises ConfigError, before more is asked."""
    from pgbackstop_runner.setup import copies  # noqa: PLC0415

    if given is None and asks:
        terminal.say(f"Copies of the backups can go to {copies.FORMS}.")
    address = _ask(asks, "Address of a storage for copies", "none") if given is None else given
    if address == "none":
        return ""
    copies.parsed(address)
    return address


def _backup_types(*, asks: bool) -> str:
    answer = _ask(asks, "Back up what: logical, physical or both", "both")
    if answer not in {"logical", "physical", "both"}:
        raise errors.ConfigError(f"{answer!r} is none of logical, physical, both; nothing was written.")
    return answer


def _show(written: Written, answers: Answers) -> None:
    """What was written, and the way from here to the first backup."""
    quoted = shlex.quote(str(written.configuration))
    ours = f"pgbackstop -c {quoted}"
    psql = f"psql -h {shlex.quote(answers.host)} -p {answers.port} -U postgres -d postgres"
    role = "pgbackstop" if answers.user == "pgbackstop" else f'"{answers.user}"'
    plan = f"{answers.name}-{'physical' if answers.backup_types == 'physical' else 'logical'}"
    password = written.password_file
    if password is not None and not password.exists():
        terminal.complain(f"warning: {password} does not exist yet: write the password there, mode 0600.")
    terminal.say(f"written: {written.configuration}")
    terminal.say(f"written: {written.role_script}")
    if password is not None and password.exists():
        terminal.say(f"password: {password}")
    for line in _for_copies(answers):
        terminal.say(line)
    terminal.say("\nNext, the role by a superuser, the storage with its disk mounted, and a first backup:")
    terminal.say(f"  {psql} -f {shlex.quote(str(written.role_script))}")
    terminal.say(f"  {psql} -c {shlex.quote(chr(92) + 'password ' + role)}")
    terminal.say(f"  {ours} storage create")
    terminal.say(f"  {ours} check")
    terminal.say(f"  {ours} backup {plan}")


def _for_copies(answers: Answers) -> Iterator[str]:
    """What the storage for copies still lacks: nothing of it is a secret that init would ask for."""
    from pgbackstop_runner.setup import copies  # noqa: PLC0415

    if not answers.copies:
        return
    storage = copies.parsed(answers.copies)
    yield f"\nThe storage {copies.NAME} needs, beside the configuration, secrets with mode 0600:"
    host, port = storage.settings.get("host"), storage.settings.get("port", 22)
    for key, file in storage.needs.items():
        if key == "known_hosts_file":
            keyscan = f"ssh-keyscan -p {port} {shlex.quote(str(host))}"
            yield f"  {keyscan} > {file}   # compare it with what its owner says"
        elif key == "key_file":
            yield f"  ssh-keygen -t ed25519 -N '' -f {file}   # its .pub goes to the server"
        else:
            yield f"  {file}: the storage's {key.removesuffix('_file').replace('_', ' ')}"


def _check(file: Path) -> None:
    from pgbackstop_runner.cli import check  # noqa: PLC0415

    terminal.say()
    options.Given.config = file
    check.check(plan=None, json=False)
