"""A program that prints a password, as those of clouds do, whose tokens are good for some minutes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pgbackstop_catalog import errors, programs, units

SECONDS = 15.0
_MOST_BYTES = 100_000
_REMEDY = "Run it by hand as the account of this program: its first line must be the password."


def password(argv: Sequence[str], *, seconds: float = SECONDS) -> str:
    """The first line that it prints. Raises ConfigError, which tells nothing that it said.

    Its output goes into a file without a name: a pipe ends only when all that it started have closed it.
    """
    program = argv[0]
    output = os.memfd_create("password")
    try:
        status = programs.exit_status(argv, output, seconds, errors_too=False)
        line = os.pread(output, _MOST_BYTES, 0).partition(b"\n")[0].rstrip(b"\r").decode()
    except OSError as error:
        raise _failed(program, f"cannot be started: {error.strerror}") from error
    except UnicodeDecodeError:
        raise _failed(program, "prints no UTF-8 text") from None  # the error holds the text
    finally:
        os.close(output)
    if status is None:
        raise _failed(program, f"took longer than {units.format_duration(seconds)} and was ended")
    if status != 0:
        raise _failed(program, f"ended with exit status {status}")
    if not line:
        raise _failed(program, "printed nothing")
    return line


def _failed(program: str, how: str) -> errors.ConfigError:
    return errors.ConfigError(f"The password command {program} {how}.", remedy=_REMEDY)
