"""What a person says before a restore does what cannot be taken back, or runs what others wrote."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import TYPE_CHECKING

from pgbackstop_catalog import errors
from pgbackstop_runner.cli import prompts
from pgbackstop_runner.system import phrases

if TYPE_CHECKING:
    from pgbackstop_runner.restore.plan import RestorePlan


def require_phrase(phrase: str, given: str | None, what: str) -> None:
    """Raises ConfigError where the phrase is not given exactly."""
    if given is None and prompts.somebody_is_there():
        given = prompts.text(f"{what} Type {phrase!r} to go on")
    if given != phrase:
        problem = "Nothing was confirmed" if given is None else f"{given!r} is not {phrase!r}"
        raise errors.ConfigError(
            f"{what} {problem}; nothing was touched.", remedy=f"Add --yes-replace {shlex.quote(phrase)}."
        )


def require_trust(drawn: RestorePlan, trusted: Collection[str], *, plan_was_shown: bool) -> bool:
    """Whether a person was asked: where what an owner wrote may run as a superuser, and he is not trusted.

    A script that puts a lost database back in its place has named it, as whoever replaces one does. Raises
    ConfigError where that person does not want to, or nobody is there to be asked about anything else.
    """
    untrusted = sorted(drawn.trusted_with_superuser.difference(trusted))
    if not untrusted:
        return False
    if plan_was_shown and prompts.somebody_is_there():
        prompts.go_on()
        return True
    if drawn.method in {"swap", "in-place"}:
        return False
    options = " ".join(f"--trust={shlex.quote(each)}" for each in untrusted)
    raise errors.ConfigError(
        f"What {phrases.some(untrusted)} wrote may run as superuser {drawn.acts_as} while it is restored: "
        "nobody has confirmed that, and nothing was touched.",
        remedy=f"Name a restore_role that is none; or look at the plan (--dry-run), and add {options}.",
    )
