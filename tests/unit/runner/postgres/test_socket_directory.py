"""A socket lies in a folder whose name is short and plain."""

from pathlib import Path

import pytest

from pgbackstop_runner.postgres import socket_directory


@pytest.mark.parametrize(
    ("folder", "fits"),
    [
        ("/srv/pgbackstop-drill-20261122T223234Z-be6c08", True),
        ("/" + 79 * "a", True),
        ("/" + 80 * "a", False),
        ("/srv/with space", False),
        ("/srv/a,b", False),
        ("/srv/größe", False),
        ("/srv/line\n", False),
    ],
)
def test_which_folders_may_hold_one(folder: str, fits: bool) -> None:
    assert socket_directory.may_be_in(Path(folder)) is fits
