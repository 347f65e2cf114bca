"""The files of a backup: on its record where they are few, else in SHA256SUMS beside the bytes.

A dump in directory format has a file for each table. Its record has how many there are, the bytes of all
together, and the SHA-256 of SHA256SUMS, which has that of each; how large each is, the storage tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import RelativePath
from pgbackstop_catalog.records.backup import Backup, FileList, Sha256, StoredFile

MOST_ON_RECORD: Final = 100
_DIGESTS: Final = TypeAdapter(dict[RelativePath, Sha256], config=ConfigDict(defer_build=True))
_REMEDY = "Use another backup, or a copy of this one."


class DamagedFiles(errors.CatalogError):
    """The list of a backup's files, or what it lists, is not what was stored."""


def text(files: Iterable[StoredFile]) -> bytes:
    """SHA256SUMS, as ``sha256sum -c`` reads it."""
    return "".join(f"{each.sha256}  {each.path}\n" for each in files).encode()


def on_record(backup: Backup, files: tuple[StoredFile, ...]) -> dict[str, Any]:
    """What the record of a backup says of its files.

    That of a physical one lists them always: a recovery asks it for tablespaces before any storage.
    """
    listed = backup.backup_type == "physical" or len(files) <= MOST_ON_RECORD
    beside = FileList(count=len(files), sha256=hashlib.sha256(text(files)).hexdigest())
    return {
        "files": files if listed else (),
        "file_list": None if listed else beside,
        "size_bytes": sum(each.size_bytes for each in files),
    }


def files(
    backup: Backup, read_list: Callable[[], bytes | None], size_of: Callable[[str], int | None]
) -> tuple[StoredFile, ...]:
    """Every file of a backup; of one that is listed beside them, with the bytes that it has there.

    ``read_list`` reads SHA256SUMS, ``size_of`` tells a file's bytes, both None for what is not there; neither
    is asked where the record lists the files. Raises DamagedFiles, and what they raise.
    """
    if backup.file_list is None:
        return backup.files
    digests = digests_in(backup, read_list())
    sizes = {path: size_of(path) for path in digests}
    missing = [path for path, size in sizes.items() if size is None]
    if missing:
        more = f", and {len(missing) - 1:,} more" if missing[1:] else ""
        raise DamagedFiles(f"Backup {backup.id} is damaged: {missing[0]} is missing{more}.", remedy=_REMEDY)
    _require_total(backup, sum(size or 0 for size in sizes.values()))
    return tuple(
        StoredFile(path=path, size_bytes=sizes[path] or 0, sha256=sha256) for path, sha256 in digests.items()
    )


def digests_in(backup: Backup, content: bytes | None) -> dict[str, str]:
    """The SHA-256 of each file by its path, of SHA256SUMS; None where that is not there.

    Raises DamagedFiles where it is not the one that was stored.
    """
    if content is None:
        raise damaged_list(backup, "is not there")
    wanted = backup.file_list
    lines = content.decode(errors="replace").split("\n")[:-1]
    found = {path: sha256 for sha256, _, path in (line.partition("  ") for line in lines)}
    if wanted is None or hashlib.sha256(content).hexdigest() != wanted.sha256 or len(found) != wanted.count:
        raise damaged_list(backup, "is not the one that was stored")
    try:  # a record that somebody changed may fit to a list that he changed
        return _DIGESTS.validate_python(found)
    except ValidationError:
        raise damaged_list(backup, "names what is no file of a backup") from None


def _require_total(backup: Backup, found: int) -> None:
    """Raises DamagedFiles where the listed files have other bytes than they had, all together."""
    wanted = sum(backup.encryption.stored_bytes.values()) if backup.encryption else backup.size_bytes
    if found != wanted:
        raise DamagedFiles(
            f"Backup {backup.id} is damaged: its files have {found} bytes instead of {wanted}.",
            remedy=_REMEDY,
        )


def damaged_list(backup: Backup, how: str) -> DamagedFiles:
    """The error for a list that is not as it was stored."""
    return DamagedFiles(
        f"Backup {backup.id} is damaged: SHA256SUMS, the list of its files, {how}.", remedy=_REMEDY
    )
