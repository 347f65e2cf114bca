"""A disk under a folder, which can be taken away and brought back with what is on it. Needs root."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A tmpfs at ``disk``, and mounted again at ``point``, where the product has it."""

    disk: Path
    point: Path

    def mount(self) -> None:
        subprocess.run(["mount", "--bind", self.disk, self.point], check=True)

    def unmount(self) -> None:
        """What has files open there keeps them, as on a disk that drops out."""
        subprocess.run(["umount", "--lazy", self.point], check=True)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Not mounted; the empty folder of the root disk must still be empty at the end."""
        self.unmount()
        try:
            yield
            assert list(self.point.iterdir()) == []
        finally:
            self.mount()


@contextlib.contextmanager
def disk(point: Path) -> Iterator[Disk]:
    """A mounted one; both mounts are gone at the end."""
    made = Disk(disk=point.with_name(f"{point.name}.disk"), point=point)
    for folder in (made.disk, made.point):
        folder.mkdir(parents=True, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m,mode=700", "tmpfs", made.disk], check=True)
    try:
        made.mount()
        yield made
    finally:
        for folder in (made.point, made.disk):
            subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)
