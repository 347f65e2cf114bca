"""`pgbackstop drill`: the exit code of several."""

from __future__ import annotations

from pgbackstop_catalog import errors
from pgbackstop_runner.cli import drill


def test_every_exit_code_has_its_place() -> None:
    """A drill may end by any error; a code without a place would end the command by another bug."""
    assert set(drill._WORST_FIRST) == {code for code, _ in errors.EXIT_CODES if code != 0}
