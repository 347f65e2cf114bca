"""The map of the architecture says what the folders and the contracts say."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAP = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
PROGRAMS = ("runner", "catalog", "exporter")


def root_of(program: str) -> Path:
    return ROOT / program / f"pgbackstop_{program}"


def packages(program: str) -> dict[str, str]:
    """Each package with the first sentence of its docstring."""
    found = {}
    for init in sorted(root_of(program).glob("*/__init__.py")):
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        found[init.parent.name] = text.partition("\n\n")[0].replace("\n", " ")
    return found


def section(program: str) -> dict[str, str]:
    """The table of a program's packages."""
    text = MAP.partition(f"## Packages of the {program}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_package_is_on_the_map_with_its_own_sentence(program: str) -> None:
    assert section(program) == packages(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_drawing_has_the_layers_of_the_contracts(program: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(
        each["layers"]
        for each in contracts["contracts"]
        if each.get("containers") == [f"pgbackstop_{program}"]
    )
    drawing = MAP.partition("```\n")[2].partition("```")[0].splitlines()
    start = drawing[0].index(program)
    later = [drawing[0].index(each) for each in PROGRAMS if drawing[0].index(each) > start]
    column = [line[start : min(later, default=200)].strip() for line in drawing[1:]]
    assert [line for line in column if line] == layers


def test_the_functions_that_it_names_are_there() -> None:
    names = re.findall(r"`((?:[a-z_]+\.)+[A-Za-z_.]+)`", MAP.partition("## The life of a backup")[2])
    assert len(names) > 20
    for name in names:
        assert any(_is_defined(program, name) for program in ("runner", "exporter")), name


def _is_defined(program: str, name: str) -> bool:
    """Whether ``package.module.name`` or ``module.name`` stands in the program; a method by its class."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        path = root_of(program).joinpath(*parts[:cut]).with_suffix(".py")
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            return all(
                re.search(rf"^\s*(?:async )?(?:def|class) {part}\b", text, re.M) for part in parts[cut:]
            )
    return False
