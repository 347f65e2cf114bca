"""Putting schedules in their place, and taking them away: our own alone, known by their mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.schedules import crontab, systemd
from pgbackstop_runner.system import commands

_FILE_MODE = 0o644
_PATTERN = "pgbackstop-*"


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Names of files that were written, and of those that were removed."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def into_crontab(file: Path, block: str) -> bool:
    """Let the crontab of this account have the block; whether that changed it. Raises ConfigError."""
    before = _crontab()
    return _replace_crontab(before, crontab.with_block(before, file, block))


def out_of_crontab(file: Path) -> bool:
    """Take our block out of the crontab of this account; whether there was one. Raises ConfigError."""
    before = _crontab()
    return _replace_crontab(before, crontab.without_block(before, file))


def _crontab() -> str:
    answer = commands.ask(["crontab", "-l"])
    # An account without one: its words differ from cron to cron, the status does not.
    return answer.out if answer.status == 0 else ""


def _replace_crontab(before: str, after: str) -> bool:
    if after == before:
        return False
    answer = commands.ask(["crontab", "-"], after)
    if answer.status != 0:
        raise errors.ConfigError(
            f"crontab does not take it: {answer.problem or answer.status}.", remedy="Nothing was changed."
        )
    return True


def compare(folder: Path, contents: Mapping[str, str], mark: str, encoding: str = "utf-8") -> Changed:
    """What has to change so that the folder holds these files of ours, and none of before; nothing is yet.

    Raises ConfigError where one is another's.
    """
    ours = _ours(folder, mark, encoding)
    others = [name for name in contents if name not in ours and (folder / name).exists()]
    if others:
        raise errors.ConfigError(
            f"{folder / others[0]} is not from 'pgbackstop schedule' with this configuration.",
            remedy="Nothing was changed; move it away first.",
        )
    return Changed(written=tuple(contents), removed=tuple(sorted(ours - contents.keys())))


def change(folder: Path, contents: Mapping[str, str], changed: Changed, encoding: str = "utf-8") -> None:
    """Write and remove the files. Raises ConfigError where the folder does not let us."""
    try:
        if contents:
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            atomic.write(folder / name, text.encode(encoding), durable=True)
            (folder / name).chmod(_FILE_MODE)
        for name in changed.removed:
            (folder / name).unlink()
    except OSError as error:
        raise errors.ConfigError(
            f"{error.filename or folder} cannot be changed: {error.strerror}.",
            remedy="Name a folder that you may write to with --into, or be root.",
        ) from error


def change_units(folder: Path, contents: Mapping[str, str], mark: str) -> Changed:
    """Change units in the folder that systemd reads, stop what is gone, and start the others.

    Raises ConfigError, also for what systemctl refuses.
    """
    changed = compare(folder, contents, mark)
    if changed.removed:
        _systemctl("disable", "--now", *changed.removed)
    change(folder, contents, changed)
    _systemctl("daemon-reload")
    if contents:
        _systemctl("enable", "--now", *systemd.started(changed.written))
    return changed


def _systemctl(*arguments: str) -> None:
    answer = commands.ask(["systemctl", *arguments])
    if answer.status != 0:
        raise errors.ConfigError(
            f"systemctl {arguments[0]} refuses: {answer.problem or answer.status}.",
            remedy="Do as it says, and install again.",
        )


def _ours(folder: Path, mark: str, encoding: str) -> set[str]:
    return {each.name for each in folder.glob(_PATTERN) if mark in each.read_text(encoding, errors="replace")}
