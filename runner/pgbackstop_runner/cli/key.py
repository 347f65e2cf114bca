"""``pgbackstop key``: generate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

app = typer.Typer(
    no_args_is_help=True, help="Keys of encrypted storages.", rich_markup_mode=None, add_completion=False
)

_ADVICE = """
To encrypt: write the line above into the file that storages.NAME.encryption.recipients_file names.
To restore: keep {file} where neither the backup host nor the storage can be lost together with it, twice:
in a password manager, and printed on paper. Without it nobody can read what is encrypted for it, we included.
Take it away from this host if it only makes backups; a host that restores names it under identity_files."""


@app.callback()
def _group() -> None:
    """Keep ``generate`` a word of its own."""


@app.command(epilog=options.examples("key generate /etc/pgbackstop/identity.txt"))
def generate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, which gets the secret key.")],
) -> None:
    """Make an identity in a file of mode 0600, and print its public key, which is to be encrypted for.

    Standard output is the public key alone.
    """
    from pgbackstop_runner.storage import age_keys  # noqa: PLC0415 - pyrage, for this alone

    terminal.say(age_keys.generate(file))
    terminal.complain(_ADVICE.format(file=file))
