"""README.ru.md says what README.md says: the same commands, blocks and pages that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
RUSSIAN = (ROOT / "README.ru.md").read_text(encoding="utf-8")


def rows(text: str) -> list[str]:
    """The first cells of the table of commands."""
    return re.findall(r"^\| (`pgbackstop.+?) \| ", text, re.MULTILINE)


def blocks(text: str) -> list[str]:
    return re.findall(r"^ *```.*?^ *```", text, re.MULTILINE | re.DOTALL)


def test_every_command_is_there_and_no_other() -> None:
    assert len(rows(ENGLISH)) > 20
    assert rows(RUSSIAN) == rows(ENGLISH)


def test_what_is_to_be_typed_is_the_same() -> None:
    assert len(blocks(ENGLISH)) > 3
    assert blocks(RUSSIAN) == blocks(ENGLISH)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", RUSSIAN)
    assert len(links) > 10
    assert [each for each in links if not (ROOT / each).exists()] == []
