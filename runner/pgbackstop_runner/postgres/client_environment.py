"""The environment of PostgreSQL's client tools: small, in English, and without a secret in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from pgbackstop_catalog.config import conninfo

_KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "TZ",
    "KRB5CCNAME",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
)


def of_ours() -> dict[str, str]:
    """What PostgreSQL's programs get of ours; in English, so that messages can be recognised."""
    return {**{name: os.environ[name] for name in _KEPT if name in os.environ}, "LC_ALL": "C"}


@contextlib.contextmanager
def connecting(argv: Sequence[str], password: str | None) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """The environment of a tool that may connect, and the descriptors that it inherits.

    The password reaches libpq in a file that has no name in any folder (memfd), so that nothing is left of
    it when we are killed.
    """
    environment = {**of_ours(), **_authentication(argv)}
    if password is None:
        yield environment, ()
        return
    descriptor = os.memfd_create("pgpass", 0)
    try:
        # libpq ignores a password file that others may read.
        os.fchmod(descriptor, 0o600)
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        os.write(descriptor, f"*:*:*:*:{escaped}\n".encode())
        yield {**environment, "PGPASSFILE": f"/proc/self/fd/{descriptor}"}, (descriptor,)
    finally:
        os.close(descriptor)


def _authentication(argv: Sequence[str]) -> dict[str, str]:
    """The methods that a tool may answer to, of the connection string that it is told, if any.

    In the environment, where a libpq before 16 passes over it; an empty value would admit no method.
    """
    target = next((each.partition("=")[2] for each in argv if each.startswith("--dbname=")), "")
    if not target:
        return {}
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - 100 ms that only operations pay

    keywords = {name: str(value) for name, value in conninfo_to_dict(target).items()}
    methods = conninfo.required_methods(keywords)
    return {"PGREQUIREAUTH": methods} if methods else {}
