"""What stands beside the bytes so that they can be checked and restored without pgbackstop.

``SHA256SUMS`` is for ``sha256sum -c``; ``RESTORE.md`` has the exact commands, with PostgreSQL's and
standard tools only. Names come from the server and may hold anything: a command gets them quoted, a
sentence gets them on one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from pgbackstop_catalog import units
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records import file_list
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.source import Tablespace
from pgbackstop_catalog.store import atomic, layout

_DECOMPRESS = {".zst": "zstd -dc", ".gz": "gzip -dc"}
_DATA = "/path/to/data"


def write(folder: Path, backup: Backup, files: Iterable[StoredFile]) -> None:
    """Write both into the folder of the backup, which has these files. Raises OSError."""
    atomic.write(folder / layout.CHECKSUMS_NAME, file_list.text(files))
    atomic.write(folder / layout.RESTORE_NAME, document(backup).encode())


def logical_commands(*, dump: str, jobs: int) -> tuple[str, ...]:
    """Commands that restore a dump into a server of the same or a newer version, run in its folder.

    They create the database under its own name, with its encoding, locale, owner, settings and rights.
    ``jobs`` must be 1 where a constraint is NOT VALID: several could add it before the rows.
    """
    first = (
        "sha256sum -c SHA256SUMS",
        "psql -X -d postgres -f globals.sql   # roles, with their passwords; an error for each that exists",
    )
    name = quote(f"./{dump}")  # a file's name may begin with a dash
    # By the end: a database may be called app.sqlite.
    if dump.endswith((".backup", ".dir")):
        return (*first, f"pg_restore --create --exit-on-error --jobs={jobs} -d postgres {name}")
    return (*first, f"{_reader(dump)} {name} | psql -X -v ON_ERROR_STOP=1 -d postgres")


def physical_commands(
    files: tuple[str, ...], *, incremental: bool, tablespaces: Sequence[Tablespace] = ()
) -> tuple[str, ...]:
    """Commands that unpack a physical backup into an empty data directory, run in its folder."""
    places = {str(space.oid): space.location for space in tablespaces}
    commands = ["sha256sum -c SHA256SUMS", f"install -d -m 700 {_DATA}"]
    # base.tar makes the folders that the others are unpacked into, so it comes first.
    for name in sorted(files, key=lambda name: (not name.startswith("base."), name)):
        base = name.partition(".tar")[0]
        if base == "base":
            commands.append(f"{_reader(name)} {name} | tar -xf - -C {_DATA}")
        elif base == "pg_wal":
            commands.append(f"{_reader(name)} {name} | tar -xf - -C {_DATA}/pg_wal")
        elif base.isdecimal():
            commands += _tablespace(name, base, places.get(base, f"/path/to/tablespace-{base}"))
    commands.append(f"cp backup_manifest {_DATA}/")
    if incremental:
        commands.append(
            f"pg_combinebackup -o /path/to/combined /path/to/full /path/to/incremental ... {_DATA}"
            "   # each parent unpacked likewise, oldest first"
        )
    else:
        commands.append(f"pg_verifybackup {_DATA} && pg_ctl -D {_DATA} start")
    return tuple(commands)


def _tablespace(name: str, oid: str, location: str) -> tuple[str, str]:
    """PostgreSQL makes the links of pg_tblspc when it starts; pg_verifybackup needs them before."""
    place = quote(location)
    return (
        f"install -d -m 700 {place} && {_reader(name)} {name} | tar -xf - -C {place}"
        "   # must be empty; elsewhere: change it here, in the next line and in tablespace_map",
        f"ln -sfn {place} {_DATA}/pg_tblspc/{oid}",
    )


def _reader(name: str) -> str:
    return next((command for suffix, command in _DECOMPRESS.items() if name.endswith(suffix)), "cat")


def _line(text: str) -> str:
    """``text`` on one line, so that no part of a name can pass for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def document(backup: Backup) -> str:
    """RESTORE.md of a backup."""
    version = backup.server_facts.version if backup.server_facts else "unknown"
    what = f"database {_line(backup.database)}" if backup.database else "the whole server"
    commands = "\n".join(f"    {line}" for line in backup.restore_by_hand)
    parent = ""
    if backup.parent:
        parent = f"\nIt is incremental: it needs its parent {backup.parent} and that one's parents.\n"
    for what_of, names in (("no", backup.excluded_tables), ("no rows of", backup.schema_only_tables)):
        if names:
            parent += f"\nBy its plan it has {what_of} {_line(', '.join(names))}.\n"
    size = units.format_size(backup.size_bytes or 0)
    tools = ", ".join(f"{name} {number}" for name, number in sorted(backup.tools.items()))
    return f"""# How to restore this backup by hand

{backup.backup_type.capitalize()} backup {backup.id} of {what} on {backup.server}.
Started {format_time(backup.started_at)}; PostgreSQL {version}; made with {tools}.
{size} in {backup.file_count} files.
{parent}
In this folder, as the user who runs PostgreSQL:

{commands}

`backup.json` says everything else: sizes, row counts, encoding, collation, extensions, LSNs.
"""
