"""Which records may be of a server's physical backups, found without reading every record each time.

What a record is of never changes, so a name that was understood once is not looked at again; and a name that
comes or goes moves the time of its folder.

A look at all servers of a fleet looks at the folders once, or it would look at each for every server.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import listing

# As the codec and jq indent a record: what is nested is indented by more, and no string spans lines.
_SERVER = re.compile(rb'\n  "server": "([^"\\\n]+)",?\n')
_KIND = re.compile(rb'\n  "backup_type": "([a-z]+)",?\n')
_LOGICAL = ""


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """When it was changed last, None where it may have been since, and whose records it has."""

    changed_ns: int | None
    servers: Mapping[str, str | None]

    def names(self, server: str) -> Iterator[str]:
        return (name for name, its in self.servers.items() if its is None or its == server)


_EMPTY: Final = _Folder(changed_ns=None, servers={})


class PhysicalIndex:
    """The servers of physical records, by folder and name; for all threads."""

    def __init__(self) -> None:
        self._known: Mapping[Path, _Folder] = {}

    def paths(self, folders: Iterable[Path], server: str) -> list[Path]:
        """The records that are of the server, or that only the codec understands, the newest first.

        Raises CatalogError where a folder cannot be read.
        """
        found = ((name, folder) for folder, its in self._look(folders).items() for name in its.names(server))
        return [folder / name for name, folder in sorted(found, reverse=True)]

    def by_server(self, folders: Iterable[Path]) -> Mapping[str | None, list[tuple[str, Path]]]:
        """The names and folders of all physical records, by server; with None those of no known one.

        Raises CatalogError where a folder cannot be read.
        """
        found = defaultdict[str | None, list[tuple[str, Path]]](list)
        for folder, its in self._look(folders).items():
            for name, server in its.servers.items():
                if server != _LOGICAL:
                    found[server].append((name, folder))
        return found

    def _look(self, folders: Iterable[Path]) -> Mapping[Path, _Folder]:
        self._known = known = {each: _look(each, self._known.get(each, _EMPTY)) for each in folders}
        return known


class HeldIndex:
    """What a PhysicalIndex knew when it was first asked, for as long as this lives."""

    def __init__(self, index: PhysicalIndex) -> None:
        self._index = index
        self._held: Mapping[str | None, list[tuple[str, Path]]] | None = None

    def paths(self, folders: Callable[[], Iterable[Path]], server: str) -> list[Path]:
        """As of a PhysicalIndex; ``folders`` are asked for once."""
        if self._held is None:
            self._held = self._index.by_server(folders())
        found = (*self._held.get(server, ()), *self._held.get(None, ()))
        return [folder / name for name, folder in sorted(found, reverse=True)]


def _look(folder: Path, known: _Folder) -> _Folder:
    try:
        changed_ns = folder.stat().st_mtime_ns
    except OSError as error:
        raise listing.unreadable(folder, error) from error
    if changed_ns == known.changed_ns:
        return known
    before = known.servers
    servers = {
        name: its if (its := before.get(name)) is not None else _server(folder / name)
        for name in listing.names(folder)
    }
    return _Folder(changed_ns=None if listing.is_young(changed_ns) else changed_ns, servers=servers)


def _server(path: Path) -> str | None:
    """The server of a physical record; None where that cannot be told."""
    try:
        content = regular_file.read(path, codec.MOST_BYTES)
    except OSError:
        return None
    server, kind = _SERVER.search(content), _KIND.search(content)
    if server is None or kind is None:
        return None
    return server[1].decode(errors="replace") if kind[1] == b"physical" else _LOGICAL
