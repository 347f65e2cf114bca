"""What a recovered server is told: how far to go, where its WAL is, and not to touch anybody else's.

Everything goes into postgresql.auto.conf, which outdoes what came with the backup.
https://www.postgresql.org/docs/current/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.system.accounts import no_link

SCRIPT = "restore-wal.sh"
PID_FILE = "pgbackstop_recovered.pid"
HBA = "pgbackstop_hba.conf"
_IDENT = "pg_ident.conf"
# There must be a restore_command; this one always says "not there".
NOTHING_ARCHIVED: Mapping[str, str] = {"restore_command": "false"}
MARK = "# pgbackstop: recovery"
# Recovery stops where one of these is lower than on the primary: https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN
CONTROLLED = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
_TARGETS = {
    "time": "recovery_target_time",
    "lsn": "recovery_target_lsn",
    "xid": "recovery_target_xid",
    "name": "recovery_target_name",
}
# What a clone of a live server must not do: write into its archive, take its slots, run its commands, wait
# for its standbys.
QUIET = {
    "archive_mode": "off",
    "archive_command": "",
    "archive_cleanup_command": "",
    "recovery_end_command": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "recovery_min_apply_delay": "0",
    "synchronous_standby_names": "",
    "max_logical_replication_workers": "0",
}
_IO_METHOD_SINCE = 18
_AS_IS = "surrogateescape"  # a configuration may be in any encoding
# What leads to another place before any setting of ours is read.
_DATA_DIRECTORY = ("data_directory",)
_ELSEWHERE = (*_DATA_DIRECTORY, "include", "include_if_exists", "include_dir")


def fetching(script: Path, archive: Path, segment_bytes: int) -> dict[str, str]:
    """How the server fetches WAL, and what it does when it needs no more of it.

    PostgreSQL puts the file for %f and the place for %p, and runs both in the data directory.
    """
    return {
        "restore_command": f'/bin/sh {_words(script, archive, segment_bytes)} "%f" "%p"',
        "recovery_end_command": f"/bin/sh {_words(script, 'clean', 'pg_wal')}",
    }


def _words(*words: object) -> str:
    return " ".join(shlex.quote(str(word)).replace("%", "%%") for word in words)


def recovery(
    plan: RecoveryPlan,
    *,
    wal_from: Mapping[str, str],
    controls: Mapping[str, str],
    action: str,
    exact_target: bool = True,
) -> dict[str, str]:
    """The settings of a recovery; ``wal_from`` is of ``fetching``, or NOTHING_ARCHIVED.

    ``exact_target`` False replays all there is (see ``watch``).
    """
    settings = {CONTROLLED[name]: controls[name] for name in CONTROLLED if name in controls}
    # Two targets are an error, and an empty one forgets the one before it: all of them away, then ours.
    settings |= dict.fromkeys(("recovery_target", *_TARGETS.values()), "")
    settings |= {
        "recovery_target_timeline": str(plan.timeline),
        "recovery_target_action": action,
        "recovery_target_inclusive": "on",
        "hot_standby": "on",
        **QUIET,
        **wal_from,
    }
    name, value = _target_setting(plan)
    if name and exact_target:
        del settings[name]
        settings[name] = value
    return settings


def _target_setting(plan: RecoveryPlan) -> tuple[str, str]:
    if plan.target.kind == "immediate":
        return "recovery_target", "immediate"
    return _TARGETS.get(plan.target.kind, ""), plan.target.value


def beside(port: int, socket_folder: Path, hba: Path, major: int) -> dict[str, str]:
    """What keeps a server that is started beside the live one to itself, and to what this host has."""
    return {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(socket_folder),
        "unix_socket_group": "",
        "hba_file": str(hba),
        "ident_file": str(hba.with_name(_IDENT)),
        "ssl": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_min_messages": "warning",
        "lc_messages": "C",  # we look for PostgreSQL's words in the log
        "external_pid_file": str(hba.with_name(PID_FILE)),
        "huge_pages": "try",
        "cluster_name": "pgbackstop_recovered",
        # io_uring is not in every build, and not every kernel allows it.
        **({"io_method": "worker"} if major >= _IO_METHOD_SINCE else {}),
    }


def pinned(data: Path) -> dict[str, str]:
    """What a configuration could name outside of its folder; for the command line, which it cannot outdo."""
    return {
        "data_directory": str(data),
        "hba_file": str(data / HBA),
        "ident_file": str(data / _IDENT),
        "external_pid_file": str(data / PID_FILE),
    }


def write(
    data: Path, settings: Mapping[str, str], *, includes: bool = False, refused: Iterable[str] = ()
) -> None:
    """Put settings at the end of postgresql.auto.conf, for an earlier one's, and ask for recovery.

    Unless ``includes``, no other file is included any more: it could be another server's, or not be here.
    Those that are ``refused`` here become comments. Raises OSError, for a link too: the folder may be another
    account's by now.
    """
    names = (*(_DATA_DIRECTORY if includes else _ELSEWHERE), *refused)
    away = re.compile(rf"\s*({'|'.join(map(re.escape, names))})\b", re.IGNORECASE)
    path = data / "postgresql.auto.conf"
    before = _read(path)
    kept = [
        line
        for line in _without(away, before.partition(MARK)[0]).split("\n")
        if line and not line.startswith("recovery_target")
    ]
    lines = [f"{name} = '{_escaped(value)}'" for name, value in settings.items()]
    _replace(path, "\n".join([*kept, MARK, *lines, ""]))
    _stay_here(data / "postgresql.conf", away)
    (data / "standby.signal").unlink(missing_ok=True)
    # Debian keeps the configuration elsewhere, so that it is not in the backup.
    for name in ("postgresql.conf", "pg_hba.conf", _IDENT, "recovery.signal"):
        _make(data / name)


def _stay_here(path: Path, away: re.Pattern[str]) -> None:
    """Without data_directory: it names the live server's, and postgresql.auto.conf cannot outdo it."""
    text = _read(path)
    if (changed := _without(away, text)) != text:
        _replace(path, changed)


def _without(away: re.Pattern[str], text: str) -> str:
    """With those lines made comments; PostgreSQL ends a line at a line feed alone."""
    lines = text.split("\n")
    return "\n".join(f"# pgbackstop: {line}" if away.match(line) else line for line in lines)


def install_script(data: Path) -> Path:
    """The restore_command's script, inside the data directory, so that it moves with it."""
    path = data / SCRIPT
    _replace(path, resources.files("pgbackstop_runner.recover").joinpath(SCRIPT).read_text(encoding="utf-8"))
    return path


def write_hba(data: Path) -> Path:
    """Who may come in: whoever reaches the private socket folder, and passwords over loopback."""
    path = data / HBA
    _replace(path, "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    return path


def _read(path: Path) -> str:
    """Empty where it is not there. Raises OSError for a link."""
    try:
        with open(path, encoding="utf-8", errors=_AS_IS, newline="", opener=no_link) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _replace(path: Path, text: str) -> None:
    """Mode 0600; a link is replaced. All of the folder is made durable when it is ready."""
    atomic.write(path, text.encode("utf-8", errors=_AS_IS), durable=False)


def _make(path: Path) -> None:
    """Empty, where it is not there. Raises OSError for a link."""
    open(path, "ab", opener=no_link).close()


def _escaped(value: str) -> str:
    """https://www.postgresql.org/docs/current/config-setting.html: a backslash escapes too."""
    return value.replace("\\", "\\\\").replace("'", "''")
