"""Everything that a database is, as pg_dump says it: what a restore must give back to the last row."""

import subprocess
from collections import Counter

from tests.support.servers import Server

# Said anew by each pg_dump, or a key that each run draws.
_NOISE = ("--", "\\restrict", "\\unrestrict")


def of(server: Server, database: str) -> Counter[str]:
    """The lines of a dump with one INSERT a row: settings, owner, rights, schema, rows, sequences."""
    name = database.replace("\\", "\\\\").replace("'", "\\'")
    argv = [str(server.programs.tool("pg_dump")), "--create", "--inserts", f"--dbname=dbname='{name}'"]
    done = subprocess.run(
        argv,
        env=server.environment,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # in the database's encoding, whatever that is
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Counter(line for line in done.stdout.splitlines() if line and not line.startswith(_NOISE))
