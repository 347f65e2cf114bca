"""The archive_command alternative: the shipped shell script, and the settings that call it."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.store import atomic

SCRIPT_NAME = "archive-wal.sh"
SCRIPT_MODE = 0o755


def install(archive: Path) -> Path:
    """Put the script beside the archive, where the server can run it; returns its path. Raises OSError."""
    path, content = archive / SCRIPT_NAME, _content()
    if not path.exists() or path.read_bytes() != content:
        atomic.make_folder(archive)
        atomic.write(path, content)
    path.chmod(SCRIPT_MODE)
    return path


def renew(archive: Path) -> None:
    """Bring a script that an earlier version put there up to this one. Raises OSError."""
    path = archive / SCRIPT_NAME
    if path.exists() and path.read_bytes() != _content():
        install(archive)


def _content() -> bytes:
    return resources.files("pgbackstop_runner.wal").joinpath(SCRIPT_NAME).read_bytes()


def settings(archive: Path, server: Server) -> str:
    """The settings, ready to be pasted into postgresql.conf. Raises OSError."""
    script = install(archive)
    atomic.make_folder(archive / "incoming")
    words = [str(script), server.wal.compression, str(archive)]
    # %p and %f are replaced by the server, which quotes nothing; they hold no blanks.
    command = " ".join(shlex.quote(word).replace("%", "%%") for word in words) + " %p %f"
    return "\n".join(
        (
            "archive_mode = on",
            f"archive_command = {_quoted(command)}",
            "archive_timeout = 60",
        )
    )


def _quoted(value: str) -> str:
    """A value of postgresql.conf: https://www.postgresql.org/docs/current/config-setting.html"""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
