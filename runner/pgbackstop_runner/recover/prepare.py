"""A directory that PostgreSQL can recover from: a base backup unpacked, or an incremental chain combined.

Until it is ready it holds the folder ``pgbackstop-unfinished`` and no PG_VERSION, without which PostgreSQL
starts nothing: a half-filled directory, or a whole one without recovery settings, would come up as a server
that believes to be the live one.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.formats import tar_extract
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.recover.data_directory import UNFINISHED, DataDirectory
from pgbackstop_runner.storage.backup_files import BackupFiles
from pgbackstop_runner.system import accounts
from pgbackstop_runner.system.accounts import Account

_VERSION = "PG_VERSION"
_README = """A recovery of backup {backup} began here and did not finish: 'pgbackstop recover' was ended.
What is here is not a whole server, and PostgreSQL will not start it. Empty this folder and run it again.
Also used: {folders}
"""


@contextmanager
def unfinished(place: DataDirectory, plan: RecoveryPlan, who: Account) -> Iterator[None]:
    """Mark the folders until the block ends well; empty them again where it does not. Raises OSError.

    All of it is done as the account that will run the server: root only makes the folders, and what stands
    in them or above them by then leads no further than that account could go itself.
    """
    made = [folder for folder in place.folders() if not folder.exists()]
    marked: list[Path] = []
    try:
        for folder in place.folders():
            _give(folder, who)
        with who.acting(reads_all=True):
            for folder in place.folders():
                _mark(folder)
                marked.append(folder)
            folders = ", ".join(map(str, place.folders()))
            readme = place.data / UNFINISHED / "README"
            readme.write_text(_README.format(backup=plan.backup.id, folders=folders), encoding="utf-8")
            _require_entry(place, who)
            yield
            _finish(place)
    except BaseException:
        with who.acting():
            for folder in marked:
                _empty(folder)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def _give(folder: Path, who: Account) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        accounts.give(folder.resolve(), who)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        raise _busy(folder) from error


def _mark(folder: Path) -> None:
    folder.chmod(0o700)
    try:
        (folder / UNFINISHED).mkdir(mode=0o700)
    except FileExistsError as error:
        raise _busy(folder) from error


def _busy(folder: Path) -> errors.Busy:
    return errors.Busy(f"Another recovery fills {folder}.", remedy="Choose another place.")


def fill(
    files: Callable[[Backup], BackupFiles],
    plan: RecoveryPlan,
    place: DataDirectory,
    programs: Binaries,
    on_bytes: Callable[[int], None],
) -> None:
    """Unpack and combine; ``files`` says where a backup is.

    Raises CatalogError for damaged bytes, StoreError, AttemptFailed, OSError.
    """
    if len(plan.chain) == 1:
        target = _target(place.data, place)
        tar_extract.backup(files(plan.backup), plan.backup, target, on_bytes)
    else:
        _combine(files, plan, place, programs, on_bytes)


def _require_entry(place: DataDirectory, who: Account) -> None:
    """Tried for real: somebody else may run the server, and every folder above must let it in."""
    for folder in place.folders() if who.credentials else ():
        if not who.can_enter(folder):
            raise errors.ValidationError(
                f"The server will run as {who.name}, who cannot enter {folder}.",
                remedy="Choose a place that every parent folder lets it into.",
            )


def _finish(place: DataDirectory) -> None:
    """All of it on disk first, then PG_VERSION, then the marks away."""
    if _lets_group_in(place.data / UNFINISHED):
        for path in place.data.iterdir():
            if path.is_file() and not path.is_symlink():
                path.chmod(0o640)  # the settings and the scripts of the recovery, too
        for folder in place.folders():
            folder.chmod(0o750)
    for folder in place.folders():
        tar_extract.sync(folder)
    (place.data / UNFINISHED / _VERSION).rename(place.data / _VERSION)
    atomic.sync_folder(place.data)
    for folder in place.folders():
        shutil.rmtree(folder / UNFINISHED)


def _lets_group_in(folder: Path) -> bool:
    """Whether the group might read the data directory that was backed up, as PG_VERSION in it tells."""
    return bool((folder / _VERSION).stat().st_mode & tar_extract.GROUP_READS)


def _empty(folder: Path) -> None:
    """Remove what we put there; the mark last, so that what cannot be removed stays marked."""
    with suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda each: each.name == UNFINISHED):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _target(data: Path, place: DataDirectory) -> tar_extract.ExtractTarget:
    version = place.data / UNFINISHED / _VERSION
    return tar_extract.ExtractTarget(data=data, tablespaces=place.tablespaces, version=version)


def _combine(
    files: Callable[[Backup], BackupFiles],
    plan: RecoveryPlan,
    place: DataDirectory,
    programs: Binaries,
    on_bytes: Callable[[int], None],
) -> None:
    """Unpack every link of the chain inside the target's mark, and let pg_combinebackup make one of them.

    Inside, because the target may be a mount point, and what is beside it another, smaller disk.
    """
    work = place.data / UNFINISHED
    done = 0
    for record in plan.chain:
        part = _part(place.data, record.id)
        spaces = {oid: _part(folder, record.id) for oid, folder in place.tablespaces.items()}
        target = tar_extract.ExtractTarget(data=part, tablespaces=spaces, version=part / _VERSION)
        tar_extract.backup(files(record), record, target, partial(_shifted, on_bytes, done))
        if _lets_group_in(part):
            part.chmod(0o750)  # pg_combinebackup gives its result the mode of what it reads
        done += record.size_bytes or 0
    result = work / "result"
    moved = [
        f"--tablespace-mapping={_mapped(folder / UNFINISHED / plan.backup.id)}="
        f"{_mapped(folder / UNFINISHED / 'result')}"
        for folder in place.tablespaces.values()
    ]
    parts = [str(work / record.id) for record in plan.chain]
    program = programs.path("pg_combinebackup")
    argv = [program, "--no-sync", f"--output={result}", *moved, *parts]
    cell = programs.jail.worker(programs.folder, writes=place.folders()) if programs.jail else None
    client_process.run("pg_combinebackup", argv, cell=cell)
    _move_up(place, result)


def _move_up(place: DataDirectory, result: Path) -> None:
    for path in result.iterdir():
        path.rename((place.data / UNFINISHED if path.name == _VERSION else place.data) / path.name)
    for oid, folder in place.tablespaces.items():
        for path in (folder / UNFINISHED / "result").iterdir():
            path.rename(folder / path.name)
        link = place.data / "pg_tblspc" / str(oid)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)


def _mapped(path: Path) -> str:
    """https://www.postgresql.org/docs/current/app-pgcombinebackup.html: an equal sign needs a backslash."""
    return str(path).replace("=", "\\=")


def _shifted(on_bytes: Callable[[int], None], before: int, count: int) -> None:
    on_bytes(before + count)


def _part(folder: Path, backup_id: str) -> Path:
    part = folder / UNFINISHED / backup_id
    part.mkdir(mode=0o700)
    return part
