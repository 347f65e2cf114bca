"""One folder of records, read again only where it changed.

Records appear by rename, so the folder's modification time moves with every change in it; what did not
move is not read. A final record's file is read once. A thorough look believes each file's own state alone,
and sees what was written in its place as well. A file that is no record, or one of a newer version, is
passed over and named in ``problems``; it is looked at again when it changes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Generic, TypeVar

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import listing
from pgbackstop_catalog.store.packed_records import RecordCodec

_HEAD: Final = struct.Struct("<qBB")  # version of the file, final, length of its name
# The version of a file that is young, or cannot be looked at: it equals no other, not even itself.
_UNKNOWN: Final = 0

# Rows resemble each other and are looked at only after a change: compressed they take less than half.
_LEVEL: Final = 1

R = TypeVar("R", bound=Backup | Copy | Proof | Restore)
D = TypeVar("D")


class RecordCache(Generic[R, D]):
    """The digests of one folder. Not for two threads at once.

    An exporter has three for each plan, so that each is small: no more than these values, and a path as text.
    """

    __slots__ = (
        "_folder",
        "_packing",
        "_problem_versions",
        "_rows",
        "_seen_files",
        "_seen_ns",
        "looked_at",
        "problems",
    )

    def __init__(self, path: Path, packing: RecordCodec[R, D]) -> None:
        self._folder = str(path)
        self.problems: dict[str, errors.CatalogError] = {}
        self.looked_at = 0  # files, ever: another thread sees by it that a long look gets on
        self._packing = packing
        self._rows = zlib.compress(b"", _LEVEL)
        self._problem_versions: dict[str, int] = {}
        self._seen_ns: int | None = None
        self._seen_files: int | None = None

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._folder)

    def refresh(self, *, thorough: bool = False) -> bool:
        """Look for changes; whether there were any. ``thorough`` trusts no time of the folder, and looks at
        final files again.

        Raises CatalogError where the folder is there and cannot be read.
        """
        changed_ns = self._changed_ns()
        if changed_ns == self._seen_ns and not thorough:
            return False
        entries = self._entries() if changed_ns >= 0 else []
        versions = {_name(each): _version_of(each) for each in entries} if thorough else None
        files = _fingerprint(versions) if versions is not None else None
        seen_ns = None if listing.is_young(changed_ns) else changed_ns
        if files is not None and files == self._seen_files:
            self._seen_ns = seen_ns
            return False
        has_changed = self._read({_name(each) for each in entries}, versions)
        self._seen_ns = seen_ns
        # What could not be opened may be open the next time, and looks no different.
        self._seen_files = None if _UNKNOWN in self._problem_versions.values() else files
        return has_changed

    def is_settled(self) -> bool:
        """Whether no record came, went or was replaced since the last look, and each file was one.

        What was written in its place does not show. Raises CatalogError, as ``refresh`` does.
        """
        return not self.problems and self._changed_ns() == self._seen_ns

    def digests(self) -> Iterator[D]:
        """Every record's digest, in no order."""
        for name, packed, _row in self._unpacked():
            yield self._packing.unpack(name, packed)

    def _changed_ns(self) -> int:
        """When the folder was changed last; -1 where there is none. Raises CatalogError."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError as error:
            if self.path.is_symlink():  # to a disk that is not mounted
                raise listing.unreadable(self.path, error) from error
            return -1
        except OSError as error:
            raise listing.unreadable(self.path, error) from error

    def _unpacked(self) -> Iterator[tuple[str, bytes, bytes]]:
        rows, position = zlib.decompress(self._rows), 0
        while position < len(rows):
            length = rows[position + _HEAD.size - 1]
            middle = position + _HEAD.size + length
            end = middle + self._packing.size
            name = rows[position + _HEAD.size : middle].decode()
            yield name, rows[middle:end], rows[position:end]
            position = end

    def _entries(self) -> list[os.DirEntry[str]]:
        """The record files; anything hidden or of another ending is none of ours."""
        try:
            with os.scandir(self.path) as entries:
                return [each for each in entries if listing.is_record_name(each.name)]
        except OSError as error:
            raise listing.unreadable(self.path, error) from error

    def _read(self, names: set[str], versions: Mapping[str, int] | None) -> bool:
        """Read what changed; ``versions`` are the files as they were just seen. Whether something did."""
        before = {name: str(problem) for name, problem in self.problems.items()}
        self._forget_problems(names, versions)
        rows: list[bytes] = []
        has_changed = False
        for name, _packed, row in self._unpacked():
            if name not in names:
                has_changed = True
                continue
            names.remove(name)
            rows.append(self._current(name, row, versions))
            has_changed |= rows[-1][_HEAD.size :] != row[_HEAD.size :]
        added = [row for name in sorted(names) if (row := self._row(name))]
        self._rows = zlib.compress(b"".join(rows + added), _LEVEL)
        after = {name: str(problem) for name, problem in self.problems.items()}
        return has_changed or bool(added) or before != after

    def _current(self, name: str, row: bytes, versions: Mapping[str, int] | None) -> bytes:
        version, is_final, _length = _HEAD.unpack_from(row)
        if is_final and versions is None:
            return row
        return row if self._is_at(name, version, versions) else self._row(name)

    def _forget_problems(self, names: set[str], versions: Mapping[str, int] | None) -> None:
        """Keep the problems of files that are as they were, and leave those out of ``names``."""
        for name, version in list(self._problem_versions.items()):
            if name in names and self._is_at(name, version, versions):
                names.remove(name)
            else:
                del self._problem_versions[name], self.problems[name]

    def _is_at(self, name: str, version: int, versions: Mapping[str, int] | None) -> bool:
        """Whether the file is the one of that version still."""
        if version == _UNKNOWN:
            return False
        self.looked_at += 1
        if versions is not None:
            return versions[name] == version
        try:
            return _version(os.stat(self._file(name))) == version  # noqa: PTH116 - see _row
        except OSError:
            return False

    def _row(self, name: str) -> bytes:
        """The packed digest of a file, or nothing where it is no record of ours."""
        version = _UNKNOWN
        self.looked_at += 1
        try:
            version, content = self._content(name)
            return self._packed(name, version, content)
        except FileNotFoundError:
            return b""
        except errors.CatalogError as error:
            problem = error
        except (OSError, ArithmeticError, ValueError, struct.error) as error:
            # The last three: a value that no record of ours has had, and that does not fit into a row.
            why = error.strerror if isinstance(error, OSError) else error
            problem = errors.CatalogError(
                f"{self._file(name)} cannot be read as a record: {errors.one_line(why, 500)}.",
                remedy="It is left where it is; check its owner and mode, or move it away.",
            )
        self.problems[name] = problem
        self._problem_versions[name] = version
        return b""

    def _content(self, name: str) -> tuple[int, bytes]:
        # The version is the opened file's, so that a file that replaces it meanwhile is seen as changed.
        descriptor = regular_file.descriptor(self._file(name))
        try:
            return _version(os.fstat(descriptor)), regular_file.read_all(descriptor, codec.MOST_BYTES)
        finally:
            os.close(descriptor)

    def _packed(self, name: str, version: int, content: bytes) -> bytes:
        record = self._decode(name, content)
        encoded = name.encode()
        head = _HEAD.pack(version, self._packing.is_final(record), len(encoded))
        return head + encoded + self._packing.pack(record)

    def _decode(self, name: str, content: bytes) -> R:
        path = self._file(name)
        record = codec.decode(self._packing.kind, content, where=path)
        folder_name = self._packing.folder(record)
        if folder_name != self._folder.rpartition(os.sep)[2] or self._packing.name(record) != name:
            raise errors.CatalogError(
                f"{path} holds the record {self._packing.name(record)} of {folder_name}.",
                remedy="It is left where it is; move it to where it belongs.",
            )
        return record

    def _file(self, name: str) -> str:
        return f"{self._folder}/{name}{listing.SUFFIX}"


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name.removesuffix(listing.SUFFIX)


def _version(status: os.stat_result) -> int:
    """A number that another content of the file does not have; _UNKNOWN of one that is young."""
    if listing.is_young(max(status.st_mtime_ns, status.st_ctime_ns)):
        return _UNKNOWN
    # Not the name and a time alone: what replaces a file may have its time, and what rewrites it its size.
    return hash((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


def _version_of(entry: os.DirEntry[str]) -> int:
    try:
        return _version(entry.stat())
    except OSError:
        return _UNKNOWN


def _fingerprint(versions: Mapping[str, int]) -> int | None:
    """A number for all of the files as they are; None where one of them is young."""
    return None if _UNKNOWN in versions.values() else hash(frozenset(versions.items()))
