"""What a backup's configuration includes and preloads, before its data is unpacked on a host that lacks it.

https://www.postgresql.org/docs/current/config-setting.html#CONFIG-INCLUDES
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pgbackstop_catalog import errors, regular_file
from pgbackstop_runner.formats import base_backup_files
from pgbackstop_runner.postgres import loaded_libraries
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.storage.backup_files import BackupFiles
from pgbackstop_runner.system.accounts import Account

_READ_FIRST = ("postgresql.conf", "postgresql.auto.conf")
_MOST_BYTES = 1 << 20
_LINE = re.compile(
    r"[ \t]*(include|include_if_exists|include_dir|data_directory|shared_preload_libraries)\b[ \t]*=?[ \t]*"
    r"(?:'((?:[^'\\]|''|\\.)*)'|([^\s#;'=]+))",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"''|\\(.)")
_REMEDY = "Put it there, or leave --as-live out: then no other file is read, and nothing preloaded."


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A file of the configuration: ``name`` in the backup, or None for one of this host."""

    path: Path
    name: str | None


@dataclass(kw_only=True)
class _Configuration:
    """The files of a configuration as PostgreSQL will find them; of the backup, those that it ``lists``."""

    source: BackupFiles
    data: Path
    who: Account
    lists: frozenset[str]
    preloads: str = ""
    _texts: dict[str, bytes] = field(default_factory=dict)
    _seen: set[Path] = field(default_factory=set)

    def read(self) -> None:
        """Follow every include. Raises ValidationError, CatalogError."""
        for name in _READ_FIRST:
            if name in self.lists:
                self._follow(self._place(self.data / name))

    def _follow(self, place: _Place, named_by: str = "") -> None:
        if place.path in self._seen:  # a circle, of which PostgreSQL tells
            return
        self._seen.add(place.path)
        for what, value in _settings(self._text(place, named_by)):
            if what == "shared_preload_libraries":
                self.preloads = value
            elif what == "data_directory":
                if named_by:
                    raise errors.ValidationError(
                        f"{place.path}, which {named_by} includes, names another data directory: {value}.",
                        remedy="Take that line out, or leave --as-live out: then the file is not read.",
                    )
            else:
                for each in self._included(what, value, place):
                    self._follow(each, str(place.path))

    def _included(self, what: str, value: str, by: _Place) -> Iterator[_Place]:
        place = self._place(by.path.parent / value)
        if what == "include_dir":
            yield from self._in_folder(place, by)
        elif what == "include" or self._is_there(place):
            yield place

    def _in_folder(self, folder: _Place, by: _Place) -> Iterator[_Place]:
        if folder.name is not None:
            names = [name for name in self.lists if PurePosixPath(name).parent == PurePosixPath(folder.name)]
            found = [PurePosixPath(name).name for name in names]
        else:
            try:
                with self.who.acting():
                    found = [each.name for each in folder.path.iterdir()]
            except OSError as error:
                raise _lacking(folder.path, str(by.path), error.strerror or "") from error
        for name in sorted(found):
            if name.endswith(".conf") and not name.startswith("."):
                yield self._place(folder.path / name)

    def _place(self, path: Path) -> _Place:
        """Below the data directory it comes with the backup; ``..`` leads where it leads there."""
        whole = Path(os.path.normpath(path))
        inside = whole.is_relative_to(self.data)
        return _Place(path=whole, name=str(whole.relative_to(self.data)) if inside else None)

    def _is_there(self, place: _Place) -> bool:
        if place.name is not None:
            return place.name in self.lists
        with self.who.acting():
            return place.path.exists()

    def _text(self, place: _Place, named_by: str) -> str:
        if place.name is None:
            try:
                with self.who.acting():
                    content = regular_file.read(place.path, _MOST_BYTES)
            except OSError as error:
                raise _lacking(place.path, named_by, error.strerror or "") from error
        elif place.name in self.lists:
            content = self._of_backup(place.name)
        else:
            raise _lacking(place.path, named_by, "it is not in the backup")
        return content.decode(errors="surrogateescape")

    def _of_backup(self, name: str) -> bytes:
        if name not in self._texts:
            wanted = {name, *(each for each in _READ_FIRST if each in self.lists)}
            self._texts |= base_backup_files.small_files(self.source, wanted, _MOST_BYTES)
        return self._texts.get(name, b"")


def require(source: BackupFiles, data: Path, programs: Binaries, who: Account) -> None:
    """Raises ValidationError for a file that is included, or a library that is preloaded, and is not here.

    Reads the backup as far as its configuration. Raises CatalogError.
    """
    lists = base_backup_files.listed(source) or frozenset(_READ_FIRST)
    found = _Configuration(source=source, data=data, who=who, lists=lists)
    found.read()
    loaded_libraries.require(loaded_libraries.named(found.preloads), programs)


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        if match := _LINE.match(line):
            quoted = _ESCAPED.sub(lambda each: each[1] or "'", match[2] or "")
            yield match[1].lower(), match[3] or quoted


def _lacking(path: Path, named_by: str, why: str) -> errors.ValidationError:
    return errors.ValidationError(
        f"{named_by} includes {path}, which cannot be read here: {why}.", remedy=_REMEDY
    )
