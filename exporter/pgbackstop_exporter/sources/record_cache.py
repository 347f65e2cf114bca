"""One folder of records, read again only where it changed.

Records appear by rename, so the folder's modification time moves with every change in it; what did not
move is not read. A final record's file is read once. A file that is no record, or one of a newer
version, is passed over and named in ``problems``; it is looked at again when it changes.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import folder
from pgbackstop_exporter.sources.packed_records import RecordCodec

_HEAD: Final = struct.Struct("<qBB")  # modification time of the file (ns), final, length of its name
# A change within the tick of a coarse clock after the look leaves the time as it was (git's "racy" index).
_RACY_NS: Final = 2_000_000_000

# Rows resemble each other and are looked at only after a change: compressed they take less than half.
_LEVEL: Final = 1

R = TypeVar("R", bound=Backup | Copy | Proof | Restore)
D = TypeVar("D")


class RecordCache(Generic[R, D]):
    """The digests of one folder. Not for two threads at once."""

    def __init__(self, path: Path, packing: RecordCodec[R, D]) -> None:
        self.path = path
        self.problems: dict[str, str] = {}
        self.looked_at = 0  # files, ever: another thread sees by it that a long look gets on
        self._packing = packing
        self._rows = zlib.compress(b"", _LEVEL)
        self._problem_times: dict[str, int] = {}
        self._seen_ns: int | None = None

    def refresh(self, *, thorough: bool = False) -> bool:
        """Look for changes; whether there were any. ``thorough`` trusts no time and reads final files again.

        Raises CatalogError where the folder is there and cannot be read.
        """
        try:
            changed_ns = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            changed_ns = -1
        except OSError as error:
            raise folder.unreadable(self.path, error) from error
        if changed_ns == self._seen_ns and not thorough:
            return False
        before = self._rows, dict(self.problems)
        self._read(self._names() if changed_ns >= 0 else set(), thorough)
        is_racy = time.time_ns() - changed_ns < _RACY_NS
        self._seen_ns = None if is_racy else changed_ns
        return before != (self._rows, self.problems)

    def digests(self) -> Iterator[D]:
        """Every record's digest, in no order."""
        for name, packed, _row in self._unpacked():
            yield self._packing.unpack(name, packed)

    def _unpacked(self) -> Iterator[tuple[str, bytes, bytes]]:
        rows, position = zlib.decompress(self._rows), 0
        while position < len(rows):
            length = rows[position + _HEAD.size - 1]
            middle = position + _HEAD.size + length
            end = middle + self._packing.size
            name = rows[position + _HEAD.size : middle].decode()
            yield name, rows[middle:end], rows[position:end]
            position = end

    def _names(self) -> set[str]:
        """Record names without their ending; anything hidden or of another ending is none of ours."""
        try:
            with os.scandir(self.path) as entries:
                names = {entry.name for entry in entries}
        except OSError as error:
            raise folder.unreadable(self.path, error) from error
        ours = (name for name in names if name.endswith(folder.SUFFIX) and not name.startswith("."))
        return {name.removesuffix(folder.SUFFIX) for name in ours}

    def _read(self, names: set[str], thorough: bool) -> None:
        self._forget_problems(names)
        rows: list[bytes] = []
        for name, _packed, row in self._unpacked():
            if name not in names:
                continue
            names.remove(name)
            rows.append(self._current(name, row, thorough))
        rows += [self._row(name) for name in sorted(names)]
        self._rows = zlib.compress(b"".join(rows), _LEVEL)

    def _current(self, name: str, row: bytes, thorough: bool) -> bytes:
        changed_ns, is_final, _length = _HEAD.unpack_from(row)
        if is_final and not thorough:
            return row
        if self._changed_ns(name) == changed_ns:
            return row
        return self._row(name)

    def _forget_problems(self, names: set[str]) -> None:
        """Keep the problems of files that are as they were, and leave those out of ``names``."""
        for name, changed_ns in list(self._problem_times.items()):
            if name in names and self._changed_ns(name) == changed_ns:
                names.remove(name)
            else:
                del self._problem_times[name], self.problems[name]

    def _row(self, name: str) -> bytes:
        """The packed digest of a file, or nothing where it is no record of ours."""
        changed_ns = -1
        self.looked_at += 1
        try:
            changed_ns, content = self._content(name)
            return self._packed(name, changed_ns, content)
        except FileNotFoundError:
            return b""
        except errors.CatalogError as error:
            problem = str(error)
        except (OSError, ArithmeticError, ValueError, struct.error) as error:
            # The last three: a value that no record of ours has had, and that does not fit into a row.
            why = error.strerror if isinstance(error, OSError) else error
            problem = f"{self._file(name)} cannot be read as a record: {errors.one_line(why, 500)}."
        self.problems[name] = problem
        self._problem_times[name] = changed_ns
        return b""

    def _content(self, name: str) -> tuple[int, bytes]:
        # The time is the opened file's, so that a file that replaces it meanwhile is seen as changed.
        descriptor = regular_file.descriptor(self._file(name))
        try:
            return os.fstat(descriptor).st_mtime_ns, regular_file.read_all(descriptor, codec.MOST_BYTES)
        finally:
            os.close(descriptor)

    def _packed(self, name: str, changed_ns: int, content: bytes) -> bytes:
        record = self._decode(name, content)
        encoded = name.encode()
        head = _HEAD.pack(changed_ns, self._packing.is_final(record), len(encoded))
        return head + encoded + self._packing.pack(record)

    def _decode(self, name: str, content: bytes) -> R:
        path = self._file(name)
        record = codec.decode(self._packing.kind, content, where=path)
        folder_name = self._packing.folder(record)
        if folder_name != self.path.name or self._packing.name(record) != name:
            raise errors.CatalogError(
                f"{path} holds the record {self._packing.name(record)} of {folder_name}.",
                remedy="It is left where it is; move it to where it belongs.",
            )
        return record

    def _file(self, name: str) -> str:
        return f"{self.path}/{name}{folder.SUFFIX}"

    def _changed_ns(self, name: str) -> int:
        self.looked_at += 1
        try:
            return os.stat(self._file(name)).st_mtime_ns  # noqa: PTH116 - see _row
        except OSError:
            return -1
