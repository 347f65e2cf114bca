"""What pg_controldata says of a data directory."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres.client_programs import Binaries


def read(programs: Binaries, data: Path) -> dict[str, str]:
    """Return its lines by their names, in English. Raises AttemptFailed (corrupt), OSError."""
    argv = [programs.path("pg_controldata"), str(data)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    if done.returncode != 0:
        problem = f"pg_controldata cannot read {data}: {errors.one_line(done.stderr)}"
        raise AttemptFailed(Reason.CORRUPT, problem)
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
