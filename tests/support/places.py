"""Temporary folders that an unprivileged server can reach.

pytest's own are below a folder of mode 0700, which a server running as another user cannot enter.
They are short too: a unix socket's path may have 107 bytes.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def make() -> Path:
    """A new folder `/tmp/pgbs-…`, mode 0755; removed at exit at the latest."""
    folder = Path(tempfile.mkdtemp(prefix="pgbs-", dir="/tmp"))  # short and reachable, see above
    folder.chmod(0o755)
    atexit.register(remove, folder)
    return folder


def remove(folder: Path) -> None:
    """Removes a folder of `make`; quiet when it is gone already."""
    shutil.rmtree(folder, ignore_errors=True)


NESTED = 1_100  # folders in each other: more than Python's functions may call each other


def nest(folder: Path) -> None:
    """Makes folders in each other, with a file in the innermost."""
    place = str(folder)
    for _ in range(NESTED):
        place += "/d"
        os.mkdir(place)  # noqa: PTH102 - a Path of a thousand parts takes its time
    Path(place, "file").touch()


def remove_nest(folder: Path) -> None:
    """Removes what `nest` made: Python's own removal follows them by recursion."""
    subprocess.run(["rm", "-r", str(folder / "d")], check=True)
