"""bcrypt hashes of the console's passwords, as they stand in the configuration."""

from __future__ import annotations

from typing import Final

import bcrypt

from pgbackstop_catalog import errors

SHORTEST: Final = 10
LONGEST: Final = 72  # bytes; bcrypt looks at no more
ROUNDS: Final = 12


def hashed(password: str) -> str:
    """The hash for the configuration. Raises ConfigError for one that is too short or too long."""
    if len(password) < SHORTEST:
        raise errors.ConfigError(
            f"The password has {len(password)} letters.", remedy=f"Take {SHORTEST} or more."
        )
    if len(password.encode()) > LONGEST:
        raise errors.ConfigError(
            f"The password has more than {LONGEST} bytes, and bcrypt looks at no more.",
            remedy="Take a shorter one.",
        )
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()
