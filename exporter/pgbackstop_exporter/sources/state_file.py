"""One small file that its writer replaces by rename, read again only when it was replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import folder

V = TypeVar("V", bound=Model)


class StateFile(Generic[V]):
    """The file's last good value; None until there is one."""

    __slots__ = ("_kind", "_path", "_seen", "problems", "value")

    def __init__(self, path: Path, kind: type[V]) -> None:
        self.value: V | None = None
        self.problems: list[str] = []
        self._path = path
        self._kind = kind
        self._seen: tuple[int, int, int] | None = None

    def refresh(self) -> bool:
        """Look for a new file; whether there was one. A file that is gone leaves its last value.

        Raises CatalogError where it cannot be looked at.
        """
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return False
            self._read()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise folder.unreadable(self._path, error) from error
        self._seen = seen
        return True

    def _read(self) -> None:
        try:
            self.value = codec.read(self._kind, self._path)
            self.problems = []
        except errors.CatalogError as error:
            self.problems = [str(error)]
