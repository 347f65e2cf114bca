"""Small programs of the host that are asked something and answer at once."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from pgbackstop_catalog import errors

_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a program said, and its exit status."""

    status: int
    out: str
    problem: str


def ask(argv: Sequence[str], given: str = "") -> Answer:
    """Run a program to its end, with ``given`` on its standard input. Raises ConfigError without it."""
    try:
        done = subprocess.run(
            argv,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.ConfigError(
            f"{argv[0]} cannot be run: {errors.one_line(error)}.", remedy=f"Install {argv[0]} on this host."
        ) from error
    return Answer(status=done.returncode, out=done.stdout, problem=errors.one_line(done.stderr))
