"""Questions to a person at a terminal. Where nobody sits, nothing is asked: the flags are named instead."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pgbackstop_catalog import errors
from pgbackstop_runner import terminal


def somebody_is_there() -> bool:
    """Whether a person can answer; Python has no standard input where it was closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def text(question: str, default: str = "") -> str:
    """An answer, or the default where only Enter was pressed. Raises ConfigError at the end of the input."""
    from pgbackstop_runner.system import meter  # noqa: PLC0415 - only where something is asked

    with meter.hidden():
        terminal.say(f"{question}{f' [{default}]' if default else ''}:")
        sys.stdout.flush()  # it may go into a pipe, to tee
        line = sys.stdin.readline()
    if not line:
        raise errors.ConfigError("Nothing was answered; nothing was touched.")
    return line.strip() or default


def password(question: str) -> str:
    """A password, asked for twice and not shown; the first line where standard input is no terminal.

    Raises ConfigError where the two differ.
    """
    if not somebody_is_there():
        return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    from getpass import getpass  # noqa: PLC0415 - few commands ask for one

    given = getpass(f"{question}: ")
    if given and getpass("Again: ") != given:
        raise errors.ConfigError("The two passwords differ; nothing was touched.", remedy="Try again.")
    return given


def one_of(titles: Sequence[str], rows: Sequence[Sequence[str]], question: str) -> int | str:
    """The index of the row that was chosen by its number, or what was written instead.

    Raises ConfigError where nothing was.
    """
    columns = [terminal.Column(title=title) for title in ("", *titles)]
    terminal.table(columns, [(str(number), *row) for number, row in enumerate(rows, 1)])
    answer = text(question)
    if not answer:
        raise errors.ConfigError("Nothing was chosen; nothing was touched.")
    if answer.isdecimal() and 0 < int(answer) <= len(rows):
        return int(answer) - 1
    return answer


def agreed(question: str, *, default: bool = False) -> bool:
    """Whether the answer is yes."""
    return text(question, "Y/n" if default else "y/N").lower() in {"y", "yes", *(("y/n",) if default else ())}


def go_on() -> None:
    """Raises ConfigError where the person does not want to."""
    if not agreed("Go on?"):
        raise errors.ConfigError("Nobody said yes; nothing was touched.")
