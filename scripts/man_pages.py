"""Writes the man pages of the commands, out of their own help: python scripts/man_pages.py

click-man reads the trees of click; typer has a click of its own within.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from pgbackstop_catalog import errors
from pgbackstop_exporter import main as exporter
from pgbackstop_runner import main as runner

FOLDER = Path(__file__).resolve().parents[1] / "packaging" / "man"
_FILES = (
    ("./pgbackstop.yaml, /etc/pgbackstop/pgbackstop.yaml", "The configuration, where nothing names another."),
)
_ENVIRONMENT = (
    ("PGBACKSTOP_CONFIG", "The configuration file."),
    ("NO_COLOR", "Where it is set and not empty, no state has a colour."),
    ("PGBACKSTOP_DEBUG", "Where it is set, a bug ends with its traceback."),
)
Rows = Iterator[tuple[str, str]]


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    group = typer.main.get_command(runner.app)
    context = typer.Context(group, info_name="pgbackstop")
    found = {"pgbackstop.1": _main(group, context), "pgbackstop-exporter.1": _exporter(exporter.parser())}
    for name, command, inner in _commands(group, context):
        found[f"pgbackstop-{name}.1"] = _page(command, inner)
    return found


def _commands(group: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield name, command, typer.Context(command, info_name=name, parent=context)


def _main(group: Any, context: Any) -> str:
    commands = ((f"pgbackstop {name}", _first(command)) for name, command, _ in _commands(group, context))
    return "".join(
        [
            _head("pgbackstop", _first(group)),
            _section("Synopsis", f".B pgbackstop\n{_text('[OPTIONS] COMMAND [ARGUMENTS]')}\n"),
            _section("Description", _paragraphs(group.help)),
            _section("Options", _listed(_parameters("option", group, context))),
            _section(
                "Commands",
                _listed((name, f"{said} See {name.replace(' ', '-')}(1).") for name, said in commands),
            ),
            _section("Exit status", _listed((str(code), meaning) for code, meaning in errors.EXIT_CODES)),
            _section("Environment", _listed(iter(_ENVIRONMENT))),
            _section("Files", _listed(iter(_FILES))),
            _see_also("pgbackstop-exporter"),
        ]
    )


def _page(command: Any, context: Any) -> str:
    parts = [_head(context.command_path, _first(command)), _body(command, context, ".SH {}\n")]
    if hasattr(command, "list_commands"):
        for _name, inner, below in _commands(command, context):
            parts.append(f".SH {_text(below.command_path.removeprefix('pgbackstop ').upper())}\n")
            parts.append(_body(inner, below, ".SS {}\n"))
    return "".join([*parts, _see_also("pgbackstop")])


def _body(command: Any, context: Any, title: str) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    sections = [
        ("Synopsis", f".B {_text(context.command_path)}\n{_text(usage)}\n"),
        ("Description", _paragraphs(command.help)),
        ("Arguments", _listed(_parameters("argument", command, context))),
        ("Options", _listed(_parameters("option", command, context))),
        ("Examples", _examples(command.epilog)),
    ]
    return "".join(title.format(name.upper()) + text for name, text in sections if text)


def _exporter(parser: argparse.ArgumentParser) -> str:
    said = parser.description or ""
    actions: list[Any] = parser._actions
    options = [each for each in actions if each.option_strings]
    commands = [inner for each in actions if not each.option_strings for inner in each._get_subactions()]
    return "".join(
        [
            _head("pgbackstop-exporter", said.partition(". ")[0]),
            _section("Synopsis", f".B pgbackstop-exporter\n{_text('[OPTIONS] [COMMAND]')}\n"),
            _section("Description", _paragraphs(said)),
            _section("Options", _listed(_told(parser, options))),
            _section("Commands", _listed(_told(parser, commands))),
            _see_also("pgbackstop"),
        ]
    )


def _told(parser: argparse.ArgumentParser, actions: Iterable[Any]) -> Rows:
    """As ``--help`` tells of them."""
    formatter: Any = parser._get_formatter()
    for each in actions:
        yield formatter._format_action_invocation(each), formatter._expand_help(each)


def _parameters(kind: str, command: Any, context: Any) -> Rows:
    """Those that are of that kind, "argument" or "option", and not hidden."""
    for each in command.params:
        if each.param_type_name == kind and (record := each.get_help_record(context)):
            yield record


def _first(command: Any) -> str:
    """The help's first sentence, without its full stop."""
    return re.split(r"\.(?:\s|$)|\n\n", " ".join((command.help or "").split("\n")))[0]


def _head(path: str, said: str) -> str:
    name = path.replace(" ", "-")
    title = f'.TH {name.upper().replace("-", chr(92) + "-")} 1 "" pgbackstop "pgbackstop"\n'
    return f'.\\" Made by scripts/man_pages.py.\n{title}.SH NAME\n{_text(name)} \\- {_text(said)}\n'


def _section(title: str, text: str) -> str:
    return f".SH {title.upper()}\n{text}"


def _paragraphs(text: str | None) -> str:
    return ".PP\n".join(f"{_text(each)}\n" for each in re.split(r"\n\s*\n", (text or "").strip()) if each)


def _listed(rows: Rows) -> str:
    return "".join(f".TP\n.B {_text(name)}\n{_text(said)}\n" for name, said in rows)


def _examples(epilog: str | None) -> str:
    below = (epilog or "").partition("Examples:\n")[2].rstrip()
    return f".nf\n{_text(below)}\n.fi\n" if below else ""


def _see_also(name: str) -> str:
    return f".SH SEE ALSO\n.BR {_text(name)} (1)\n"


def _text(text: str) -> str:
    """Text that roff takes for nothing else: hyphens as they are typed, no line a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in escaped.splitlines())


def main() -> int:
    """Write them, and remove those of commands that are gone."""
    FOLDER.mkdir(exist_ok=True)
    found = pages()
    for path in FOLDER.glob("*.1"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
