"""Who runs the throw-away servers: PostgreSQL refuses root, so root steps down."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class Credentials(TypedDict, total=False):
    """The keyword arguments of subprocess.Popen that choose who runs the child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, kw_only=True)
class Account:
    """An operating system account; `credentials` is empty when we are it already."""

    uid: int
    gid: int

    @property
    def credentials(self) -> Credentials:
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hands a file or folder to this account."""
        os.chown(path, self.uid, self.gid)


def current() -> Account:
    """The account of this process."""
    return Account(uid=os.geteuid(), gid=os.getegid())


def unprivileged() -> Account:
    """Ourselves, or `postgres` and failing that `nobody` when we are root.

    Raises KeyError on a system without either.
    """
    if os.geteuid() != 0:
        return current()
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known["postgres"] if "postgres" in known else known["nobody"]
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)
