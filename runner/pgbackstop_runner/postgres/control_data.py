"""What pg_controldata says of a data directory."""

from __future__ import annotations

from pathlib import Path

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process, tool_output
from pgbackstop_runner.postgres.client_programs import Binaries

_MOST_BYTES = 2**20


def read(programs: Binaries, data: Path) -> dict[str, str]:
    """Return its lines by their names, in English. Raises AttemptFailed (corrupt)."""
    argv = [programs.path("pg_controldata"), str(data)]
    cell = programs.jail.worker(programs.folder, writes=(), reads=(data,)) if programs.jail else None
    try:
        with client_process.start("pg_controldata", argv, pipe_output=True, cell=cell) as tool:
            text = tool_output.whole(tool, _MOST_BYTES).decode(errors="replace")
            tool.finish()
    except AttemptFailed as error:
        raise AttemptFailed(Reason.CORRUPT, f"pg_controldata cannot read {data}: {error.problem}") from error
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
