"""Another wall clock for a process and its children, by Debian's libfaketime; skips where it is not there.

The monotonic clock is left alone, as the kernel leaves it.
"""

from pathlib import Path

import pytest

_PLACES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
)


def environment(**settings: str) -> dict[str, str]:
    """What such a process is started with; ``settings`` are libfaketime's."""
    library = next((place for place in _PLACES if Path(place).exists()), None)
    if library is None:
        pytest.skip("needs libfaketime: install Debian's faketime")
    return {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1", **settings}
