"""How long the fuzzers run: a few seconds each with the tests, as long as asked for by ``make fuzz``."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

F = TypeVar("F", bound=Callable[..., Any])
_WITH_THE_TESTS = 120


def fuzzed(test: F) -> F:
    """The same examples each time; with FUZZ_EXAMPLES that many, and other ones."""
    wanted = os.environ.get("FUZZ_EXAMPLES")
    profile = settings(
        max_examples=int(wanted or _WITH_THE_TESTS),
        derandomize=wanted is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return profile(test)
