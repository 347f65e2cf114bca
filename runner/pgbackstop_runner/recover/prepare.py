"""A directory that PostgreSQL can recover from: a base backup unpacked, or an incremental chain combined."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import Backup
from pgbackstop_catalog.recovery import RecoveryPlan
from pgbackstop_runner import tools, unpack
from pgbackstop_runner.account import Account
from pgbackstop_runner.binaries import Binaries
from pgbackstop_runner.workspace import Workspace

PARTS_SUFFIX = ".pgbackstop-parts"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the recovered server goes; ``tablespaces`` by OID. All empty or not there yet."""

    data: Path
    tablespaces: Mapping[int, Path]

    def folders(self) -> tuple[Path, ...]:
        """Every folder that will be filled."""
        return (self.data, *self.tablespaces.values())


def check_place(place: Place, workspace: Workspace, backup: Backup) -> None:
    """Raises ValidationError where something would be overwritten, or a tablespace has no place."""
    spaces = backup.server_facts.tablespaces if backup.server_facts else ()
    missing = [space for space in spaces if space.oid not in place.tablespaces]
    if missing:
        wanted = " ".join(f"--tablespace {space.oid}=/new/folder" for space in missing)
        names = ", ".join(f"{space.name} (was in {space.location})" for space in missing)
        raise errors.ValidationError(
            f"The backup has tablespaces that need a place: {names}.", remedy=f"Add {wanted}."
        )
    for folder in place.folders():
        _check_folder(folder, workspace)


def _check_folder(folder: Path, workspace: Workspace) -> None:
    if (folder / "postmaster.pid").exists():
        raise errors.ValidationError(
            f"{folder} is the data directory of a running server.",
            remedy="Choose an empty one; nothing was touched.",
        )
    try:
        taken = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise errors.ValidationError(
            f"{folder} cannot be used: {error.strerror}.", remedy="Choose another one."
        ) from error
    if taken:
        raise errors.ValidationError(
            f"{folder} is not empty.", remedy="Choose an empty one; nothing was touched."
        )
    for name, storage in workspace.config.storages.items():
        root = getattr(storage, "path", None)
        if root is not None and folder.resolve().is_relative_to(Path(root).resolve()):
            raise errors.ValidationError(
                f"{folder} is inside the storage {name}.", remedy="Choose a place outside of it."
            )


def fill(
    workspace: Workspace,
    plan: RecoveryPlan,
    place: Place,
    programs: Binaries,
    on_bytes: Callable[[int], None],
) -> None:
    """Unpack and combine. Raises CatalogError for damaged bytes, AttemptFailed, OSError."""
    for folder in place.folders():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    if len(plan.chain) == 1:
        unpack.backup(_folder(workspace, plan.backup), plan.backup, place.data, place.tablespaces, on_bytes)
    else:
        _combine(workspace, plan, place, programs, on_bytes)
    for folder in place.folders():
        unpack.sync(folder)


def hand_over(place: Place, who: Account) -> None:
    """Give everything to the account that will run the server."""
    if not who.credentials:
        return
    for folder in place.folders():
        who.own(folder)
        for path in folder.rglob("*"):
            if not path.is_symlink():
                who.own(path)


def _combine(
    workspace: Workspace,
    plan: RecoveryPlan,
    place: Place,
    programs: Binaries,
    on_bytes: Callable[[int], None],
) -> None:
    """Unpack every link of the chain beside the target, and let pg_combinebackup make one of them."""
    done = 0
    with ExitStack() as stack:
        parts: list[Path] = []
        moved: list[str] = []
        for record in plan.chain:
            part = stack.enter_context(_part(place.data, record.id))
            spaces = {
                oid: stack.enter_context(_part(folder, record.id))
                for oid, folder in place.tablespaces.items()
            }
            unpack.backup(_folder(workspace, record), record, part, spaces, partial(_shifted, on_bytes, done))
            done += record.size_bytes or 0
            parts.append(part)
            moved = [
                f"--tablespace-mapping={spaces[oid]}={folder}" for oid, folder in place.tablespaces.items()
            ]
        argv = [
            programs.path("pg_combinebackup"),
            "--no-sync",
            f"--output={place.data}",
            *moved,
            *map(str, parts),
        ]
        tools.run("pg_combinebackup", argv)


def _shifted(on_bytes: Callable[[int], None], before: int, count: int) -> None:
    on_bytes(before + count)


@contextmanager
def _part(target: Path, backup_id: str) -> Iterator[Path]:
    """A folder beside ``target``, on the same file system, gone afterwards."""
    folder = target.with_name(f"{target.name}.{backup_id}{PARTS_SUFFIX}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(workspace: Workspace, record: Backup) -> Path:
    return workspace.config.folder(record.storage).path / (record.location or "")
