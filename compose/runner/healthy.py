"""The runner's health: its daemon has a fresh heartbeat, and every server lets the role in.

usage: healthy.py [daemon]

With the word it is the daemon alone, for who starts the container anew where that fails: no server comes
back by that. Exit status 0 or 1, and one sentence for each thing that is wrong; `docker inspect` keeps the
last ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo, load, locate
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.scheduler import SchedulerState

STATE = Path("state", "scheduler.json")
# The daemon writes it every 5 s; a slow disk or a busy machine is no reason for alarm.
STALE_SECONDS = 60.0


def problems(config: Config, *, servers: bool = True) -> Iterator[str]:
    """What is wrong, in sentences."""
    yield from _daemon(config.state_root() / STATE)
    for name, server in config.servers.items() if servers else ():
        yield from _server(name, server)


def _daemon(file: Path) -> Iterator[str]:
    try:
        state = codec.read(SchedulerState, file)
    except (OSError, errors.PgbackstopError) as error:
        yield f"The daemon has left no heartbeat: {error}"
        return
    age = (datetime.now(UTC) - state.heartbeat_at).total_seconds()
    if age > STALE_SECONDS:
        yield f"The daemon's last heartbeat is {age:.0f} s old."


def _server(name: str, server: Server) -> Iterator[str]:
    try:
        keywords: dict[str, Any] = {
            **conninfo.with_required_methods(
                conninfo.keywords(server, application_name="pgbackstop-healthy"), psycopg.pq.version()
            ),
            "options": "-c search_path=",
            "password": conninfo.password(server),
            "connect_timeout": "5",
        }
        psycopg.connect(**keywords).close()
    except (psycopg.Error, errors.PgbackstopError) as error:
        yield f"Server {name}: {str(error).strip()}"


def main(words: Sequence[str]) -> int:
    """Print what is wrong and return the exit status."""
    try:
        found = list(problems(load.load(locate.find(None)), servers="daemon" not in words))
    except errors.PgbackstopError as error:
        found = [str(error)]
    sys.stdout.writelines(f"{problem}\n" for problem in found or ["healthy"])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
