"""What an encrypted copy has beside its files, for people and for whoever reads them without a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup, CopyEncryption
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage.protocol import Sent

# As docs/how-to/encrypt-copies.md has it.
DECRYPT = (
    "find . -type f -name '*.age' -exec sh -c "
    '\'for each; do age -d -i /path/to/identity -o "${each%.age}" "$each" || exit; done\' sh {} +'
)


def record(content: bytes, recipients: tuple[str, ...], sent: Mapping[str, Sent]) -> bytes:
    """``backup.json`` of the copy: it says for whom the files are encrypted, and what they are then."""
    encryption = CopyEncryption(
        recipients=recipients,
        stored_bytes={path: each.size_bytes for path, each in sent.items()},
        stored_sha256={path: each.sha256 for path, each in sent.items()},
    )
    return codec.encode(codec.decode(Backup, content, where=layout.RECORD_NAME).evolve(encryption=encryption))


def restore_text(content: bytes, recipients: tuple[str, ...]) -> bytes:
    """``RESTORE.md`` of the copy: decrypt first."""
    known = "\n".join(f"* `{each}`" for each in recipients)
    return (
        dedent("""\
            # Decrypt this copy first

            Its files are encrypted in the format of [age](https://age-encryption.org), and end in `.age`. The
            identity (secret key) of any of these recipients opens them:

            {known}

            In a copy of this folder, on a disk that only you can read, with the program `age` or `rage`:

                {decrypt}

            Each file is then beside its encrypted one, under the name that everything below uses.

            """)
        .format(known=known, decrypt=DECRYPT)
        .encode()
        + content
    )
