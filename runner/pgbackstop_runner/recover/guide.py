"""RECOVER.md: what a person does with a prepared directory, without pgbackstop."""

from __future__ import annotations

from pathlib import Path

from pgbackstop_catalog.recovery import RecoveryPlan
from pgbackstop_catalog.values import format_time
from pgbackstop_runner.binaries import Binaries
from pgbackstop_runner.recover.settings import MARK, SCRIPT

NAME = "RECOVER.md"
LOG_NAME = "pgbackstop-recovery.log"


def write(data: Path, plan: RecoveryPlan, programs: Binaries, port: int, sockets: Path) -> None:
    """Write the page into the data directory."""
    start = f"{programs.path('pg_ctl')} -D {data} -l {data}/{LOG_NAME} start"
    ended = format_time(plan.backup.finished_at or plan.backup.started_at)
    text = f"""# How to go on with this directory

Prepared from backup {plan.backup.id} of server {plan.backup.server}, which ended {ended}.
It recovers to: {plan.target}, timeline {plan.timeline}.

1. As the user who owns this directory, start the server; it replays WAL and then takes over by itself:

       {start}

2. Watch `{LOG_NAME}` until it says "database system is ready to accept connections".
   "recovery ended before configured recovery target was reached" after a quiet time means that nothing was
   committed after the target: remove recovery_target_time at the end of postgresql.auto.conf, start again.
3. Look at it before anyone else does. It listens on 127.0.0.1, port {port}, and on a private socket:

       psql -h {sockets} -p {port} -d postgres

4. To make it the live server: stop it, remove everything below "{MARK}" from
   postgresql.auto.conf, put back your own postgresql.conf and pg_hba.conf, and set archive_mode as you want
   it. It is off now, so that nothing of this server gets into the archive of the other. Start it, and make
   a new physical backup at once: it is on a new timeline.

WAL is fetched by `{SCRIPT}` in this directory: plain shell, lz4 or zstd, nothing of pgbackstop.
"""
    (data / NAME).write_text(text, encoding="utf-8")
    (data / NAME).chmod(0o600)
