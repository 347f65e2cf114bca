"""The help of the main commands has examples, and each is right as it is typed."""

import shlex
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pgbackstop_runner import main

MAIN = ("backup", "restore", "recover", "list", "verify", "drill")


def examples(command: str) -> list[list[str]]:
    shown = CliRunner().invoke(main.app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    below = shown.partition("Examples:\n")[2]
    return [shlex.split(line) for line in below.splitlines() if line.strip()]


@pytest.mark.parametrize("name", MAIN)
def test_every_example_is_understood(name: str) -> None:
    found = examples(name)
    assert found
    group: Any = typer.main.get_command(main.app)
    for program, command, *arguments in found:
        assert (program, command) == ("pgbackstop", name)
        # Parsed as for a call: an option that does not exist, or a value that is none, ends the test.
        group.get_command(None, command).make_context(command, arguments)


def test_an_example_that_is_wrong_would_be_seen() -> None:
    group: Any = typer.main.get_command(main.app)
    with pytest.raises(Exception, match="No such option"):
        group.get_command(None, "backup").make_context("backup", ["shop", "--no-such-option"])
