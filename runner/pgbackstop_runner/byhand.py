"""What stands beside the bytes so that they can be checked and restored without pgbackstop.

``SHA256SUMS`` is for ``sha256sum -c``; ``RESTORE.md`` has the exact commands, with PostgreSQL's and
standard tools only.
"""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from pgbackstop_catalog import atomic, layout, units
from pgbackstop_catalog.records import Backup
from pgbackstop_catalog.values import format_time

_DECOMPRESS = {".zst": "zstd -dc", ".gz": "gzip -dc"}


def write(folder: Path, backup: Backup) -> None:
    """Write both files into the backup's folder. Raises OSError."""
    lines = "".join(f"{each.sha256}  {each.path}\n" for each in backup.files)
    atomic.write(folder / layout.CHECKSUMS_NAME, lines.encode())
    atomic.write(folder / layout.RESTORE_NAME, document(backup).encode())


def logical_commands(*, database: str, dump: str, jobs: int) -> tuple[str, ...]:
    """Commands that restore a dump into a server of the same or a newer version, run in its folder."""
    target = quote(database)
    first = (
        "sha256sum -c SHA256SUMS",
        "psql -X -d postgres -f globals.sql   # roles; those that exist give an error",
    )
    tail = next((command for suffix, command in _DECOMPRESS.items() if dump.endswith(suffix)), None)
    if dump.partition(".sql")[1]:
        read = f"{tail} {quote(dump)}" if tail else f"cat {quote(dump)}"
        return (*first, f"{read} | psql -X -v ON_ERROR_STOP=1 -d postgres   # creates and fills {database}")
    return (
        *first,
        f"createdb -T template0 {target}   # with the encoding and locale in backup.json",
        f"pg_restore --exit-on-error --jobs={jobs} -d {target} {quote(dump)}",
    )


def physical_commands(files: tuple[str, ...], *, incremental: bool) -> tuple[str, ...]:
    """Commands that unpack a physical backup into an empty data directory, run in its folder."""
    commands = ["sha256sum -c SHA256SUMS", "install -d -m 700 /path/to/data"]
    for name in files:
        base = name.partition(".tar")[0]
        reader = next((command for suffix, command in _DECOMPRESS.items() if name.endswith(suffix)), "cat")
        if base == "base":
            commands.append(f"{reader} {name} | tar -xf - -C /path/to/data")
        elif base == "pg_wal":
            commands.append(f"{reader} {name} | tar -xf - -C /path/to/data/pg_wal")
        elif base.isdigit():
            commands.append(
                f"install -d -m 700 /path/to/tablespace-{base} && "
                f"{reader} {name} | tar -xf - -C /path/to/tablespace-{base}   # and mend data/tablespace_map"
            )
    commands.append("cp backup_manifest /path/to/data/")
    if incremental:
        commands.append(
            "pg_combinebackup -o /path/to/combined /path/to/full /path/to/incremental ... /path/to/data"
            "   # each parent unpacked likewise, oldest first"
        )
    else:
        commands.append("pg_verifybackup /path/to/data && pg_ctl -D /path/to/data start")
    return tuple(commands)


def document(backup: Backup) -> str:
    """RESTORE.md of a backup."""
    version = backup.server_facts.version if backup.server_facts else "unknown"
    what = f"database {backup.database}" if backup.database else "the whole server"
    commands = "\n".join(f"    {line}" for line in backup.restore_by_hand)
    parent = ""
    if backup.parent:
        parent = f"\nIt is incremental: it needs its parent {backup.parent} and that one's parents.\n"
    size = units.format_size(backup.size_bytes or 0)
    tools = ", ".join(f"{name} {number}" for name, number in sorted(backup.tools.items()))
    return f"""# How to restore this backup by hand

{backup.backup_type.capitalize()} backup {backup.id} of {what} on {backup.server}.
Started {format_time(backup.started_at)}; PostgreSQL {version}; made with {tools}.
{size} in {len(backup.files)} files.
{parent}
In this folder, as the user who runs PostgreSQL:

{commands}

`backup.json` says everything else: sizes, checksums, row counts, encoding, collation, extensions, LSNs.
"""
