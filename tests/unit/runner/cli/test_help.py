"""The help of every command that takes something has examples, and each is right as it is typed."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from pgbackstop_runner import main

GROUP: Any = typer.main.get_command(main.app)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = dict(commands(GROUP))


def examples(command: Any) -> list[list[str]]:
    below = (command.epilog or "").partition("Examples:\n")[2]
    return [shlex.split(line) for line in below.splitlines()]


def takes_something(command: Any) -> bool:
    return any(not each.is_eager and not getattr(each, "hidden", False) for each in command.params)


@pytest.mark.parametrize("path", [path for path, command in EVERY.items() if takes_something(command)])
def test_every_example_is_understood(path: tuple[str, ...]) -> None:
    found = examples(EVERY[path])
    assert found
    for program, *typed in found:
        assert program == "pgbackstop"
        # What stands before the command's name is of the program.
        context = GROUP.make_context("pgbackstop", typed)
        rest = [*context._protected_args, *context.args]
        assert tuple(rest[: len(path)]) == path
        # Parsed as for a call: an option that does not exist, or a value that is none, ends the test.
        EVERY[path].make_context(path[-1], rest[len(path) :])


def test_an_example_that_is_wrong_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        EVERY["backup",].make_context("backup", ["shop", "--no-such-option"])
