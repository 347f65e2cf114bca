"""Temporary folders that an unprivileged server can reach.

pytest's own are below a folder of mode 0700, which a server running as another user cannot enter.
They are short too: a unix socket's path may have 107 bytes.
"""

import atexit
import shutil
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
