"""Settings that a server would not start with here: of locales, time zones, limits, or another release."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process, tool_output
from pgbackstop_runner.postgres.client_programs import Binaries

# In English: the environment of our tools asks for that, until lc_messages is read.
_NAMED = re.compile(r'LOG:  .*?parameter "([\w.]+)"')
_MOST_BYTES = 2**20


def find(programs: Binaries, data: Path, options: Mapping[str, str]) -> frozenset[str]:
    """Names of the settings in a data directory's configuration that PostgreSQL refuses here.

    It tells of those that it does not know before it looks at values. Raises AttemptFailed where it cannot
    be started; what else is wrong, the start tells.
    """
    argv = [programs.path("postgres"), "-C", "wal_level", "-D", str(data)]
    argv += [f"--{name}={value}" for name, value in options.items()]
    cell = programs.jail.worker(programs.folder, writes=(), reads=(data,)) if programs.jail else None
    found: set[str] = set()

    def hear(line: str) -> None:
        found.update(_NAMED.findall(line))

    with (
        client_process.start("postgres", argv, pipe_output=True, cell=cell, on_line=hear) as tool,
        contextlib.suppress(AttemptFailed),
    ):
        # The live server had another while it was backed up: this one waits for its next restart.
        if tool_output.whole(tool, _MOST_BYTES).strip() == b"minimal":
            found.add("wal_level")
        tool.finish()
    return frozenset(found)
