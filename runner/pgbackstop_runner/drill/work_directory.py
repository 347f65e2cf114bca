"""The ground of a drill: a folder for a throw-away server, on record before it exists, gone at the end.

What a killed drill left is found by its note in the catalog. A process is ended only where it works in the
data directory of such a folder: the number in its pid file may by now be anybody's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors, regular_file, units
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.store import atomic, listing
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import socket_directory
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import accounts, files, log, processes, signals
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.system.jail import Jail
from pgbackstop_runner.system.jail_choice import Choice
from pgbackstop_runner.workspace import Workspace

PREFIX = "pgbackstop-drill-"
# What initdb makes, with its WAL; bytes.
EMPTY_SERVER = 100 * 10**6
_ATTEMPTS = 3


class InsufficientSpace(errors.ValidationError):
    """The disk is too small for the throw-away server."""


@dataclass(frozen=True, kw_only=True)
class DrillDirectory:
    """The folders of one drill: ``root`` stays ours, what is in it belongs to ``who``, who runs its server.

    All that executes what a backup contains runs in the ``jail``.
    """

    root: Path
    sockets: Path
    who: Account
    jail: Jail

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        """Outside of what the server can reach."""
        return self.root / "log"

    def tablespace(self, oid: int) -> Path:
        """Where a tablespace goes."""
        return self.root / "tablespaces" / str(oid)


@contextlib.contextmanager
def prepared(workspace: Workspace, plan: str, drill_id: str, choice: Choice) -> Iterator[DrillDirectory]:
    """Make the folders; whatever runs and lies there is gone at the end.

    Raises AttemptFailed, ConfigError.
    """
    note = workspace.state.drills / plan / f"{drill_id}.json"
    try:
        yield _made(workspace, note, drill_id, choice)
    finally:
        with signals.deferred():
            _clear(note)


def _made(workspace: Workspace, note: Path, drill_id: str, choice: Choice) -> DrillDirectory:
    """The first place where the server's account can work, and nobody can put another in its place."""
    who = accounts.account()
    if workspace.config.drill_folder is None:
        identity.require(workspace, workspace.config.first_folder)
    for parent in _parents(workspace):
        root = parent / f"{PREFIX}{drill_id}"
        sockets = _sockets(root, drill_id)
        inside = Jail(mechanism=choice.mechanism, who=who, sockets=sockets)
        ground = DrillDirectory(root=root, sockets=sockets, who=who, jail=inside)
        _write_note(note, ground)
        if _make(ground):
            return ground
        _clear(note)
        with contextlib.suppress(OSError):  # others may work in it
            parent.rmdir()
    raise AttemptFailed(
        Reason.CONFIGURATION,
        f"User {who.name or who.uid}, who runs the throw-away server, cannot enter {parent}, "
        "or could put another folder in its place.",
        remedy="Set drill_folder to a folder that it can enter, and that is root's with all above it.",
    )


def sweep(workspace: Workspace, plan: str) -> None:
    """End and remove what killed drills of the plan left. Only with the lock of its drills in hand."""
    folder = workspace.state.drills / plan
    for note in sorted(folder.glob("*.json")):
        _clear(note)
    for path in folder.glob(f".*{atomic.TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def plans(workspace: Workspace) -> tuple[str, ...]:
    """The plans whose drills left something."""
    folder = workspace.state.drills
    return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()


def require_room(ground: DrillDirectory, needed: int) -> None:
    """Raises NoRoom where the disk has not so many bytes."""
    free = files.free_bytes(ground.root)
    if free is not None and needed > free:
        raise InsufficientSpace(
            f"The disk of {ground.root.parent} is too small for the drill: {units.format_size(needed)} are "
            f"needed, {units.format_size(free)} are free.",
            remedy="Make room, or set drill_folder.",
        )


def _parents(workspace: Workspace) -> tuple[Path, ...]:
    """A storage that only root may enter is no place for a server that root does not run."""
    if workspace.config.drill_folder is not None:
        return (workspace.config.drill_folder,)
    # /var/tmp outlives a restart of the machine, as the note does.
    return (workspace.config.drill_root(), Path("/var/tmp"))  # noqa: S108 - the folder in it is made exclusively


def _make(ground: DrillDirectory) -> bool:
    """Whether the account can work there; nothing is left where it cannot."""
    who = ground.who
    try:
        _make_parent(ground.root.parent, who)
        if who.credentials and not accounts.is_ours(ground.root.parent):
            return False
        for folder in dict.fromkeys((ground.root, ground.sockets.parent)):
            folder.mkdir(mode=0o700)
            if who.credentials:
                folder.chmod(0o711)  # ours: what is in it cannot be exchanged
        ground.sockets.mkdir(mode=0o700)
        accounts.give(ground.sockets, who)
    except OSError as error:
        raise AttemptFailed(
            Reason.STORAGE,
            f"The drill's folder cannot be made: {error.filename}: {error.strerror}.",
            remedy="Check the owner and mode of drill_folder, and its mount.",
        ) from error
    return not who.credentials or (who.can_reach(ground.root) and who.can_enter(ground.sockets))


def _make_parent(folder: Path, who: Account) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        found = folder.lstat()
        # Earlier versions gave it away.
        if not who.credentials or found.st_uid != who.uid or not accounts.is_ours(folder.parent):
            return
        os.chown(folder, os.geteuid(), os.getegid(), follow_symlinks=False)
    if who.credentials:
        folder.chmod(0o711)


def _sockets(root: Path, drill_id: str) -> Path:
    inside = root / "sockets"
    if socket_directory.may_be_in(inside):
        return inside
    return Path(tempfile.gettempdir()) / f"{PREFIX}{drill_id}" / "sockets"


def _write_note(path: Path, ground: DrillDirectory) -> None:
    document = {"root": str(ground.root), "sockets": str(ground.sockets.parent)}
    try:
        listing.require_state(path.parents[3])  # of <catalog>/state/drills/<plan>/<id>.json
        atomic.make_folder(path.parent)
        atomic.write(path, json.dumps(document).encode())
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {path}: {error.strerror}.",
            remedy="Check free space, the folder's owner and mode, and that it is not mounted read-only.",
        ) from error


def _clear(note: Path) -> None:
    """End what works there, remove the folders, and only then forget them."""
    folders = _noted(note)
    with contextlib.suppress(OSError):
        for folder in folders:
            _end(folder / "data")
        for folder in folders:
            _remove(folder)
    left = [folder for folder in folders if folder.exists()]
    if left:
        log.logger().error("the drill's folder cannot be removed", folder=str(left[0]))
        return
    with contextlib.suppress(OSError):
        note.unlink(missing_ok=True)
        note.parent.rmdir()


def _noted(note: Path) -> tuple[Path, ...]:
    """The folders of a note, as far as they are a drill's: a damaged note must remove nothing else."""
    try:
        document = json_text.parse(regular_file.read(note, 10_000))
        found = dict.fromkeys((Path(document["root"]), Path(document["sockets"])))
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(each for each in found if each.is_absolute() and each.name == f"{PREFIX}{note.stem}")


def _end(data: Path) -> None:
    ended = processes.end_all(processes.working_in(data), first=signal.SIGQUIT)
    if ended:
        log.logger().info("throw-away server ended", data=str(data), processes=len(ended))


def _remove(folder: Path) -> None:
    # A process that was just ended may still put a file there under our hands.
    for _ in range(_ATTEMPTS):
        if folder.exists():
            with contextlib.suppress(OSError):
                files.remove_strange_tree(folder)
