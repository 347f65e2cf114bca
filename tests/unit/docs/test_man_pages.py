"""The man pages are those of the commands as they are, and roff takes them."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from scripts import man_pages

ROOT = Path(__file__).resolve().parents[3]


def test_they_are_what_the_commands_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "37")  # which a help at a terminal would follow
    written = {path.name: path.read_text(encoding="utf-8") for path in man_pages.FOLDER.glob("*")}
    assert written == man_pages.pages(), "run: .venv/bin/python scripts/man_pages.py"


def test_every_command_has_one_and_the_first_page_leads_to_it() -> None:
    first = (man_pages.FOLDER / "pgbackstop.1").read_text()
    for path in man_pages.FOLDER.glob("pgbackstop-*.1"):
        name = path.name.removesuffix(".1").replace("-", "\\-")
        assert f"{name}(1)" in first or f".BR {name} (1)" in first


def test_the_wheel_brings_them_to_where_man_looks() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    shared = build["targets"]["wheel"]["shared-data"]
    assert shared["packaging/man"] == "share/man/man1"
    assert (ROOT / "packaging/man").samefile(man_pages.FOLDER)


def test_roff_warns_of_nothing() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed: Debian's package of that name reads man pages")
    pages = sorted(map(str, man_pages.FOLDER.glob("*.1")))
    argv = [groff, "-K", "utf8", "-T", "utf8", "-man", "-ww", "-z", *pages]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_text_is_no_request(tmp_path: Path) -> None:
    assert man_pages._text(".so /etc/passwd\n'a\\*b") == "\\&.so /etc/passwd\n\\(aqa\\e*b"


def test_the_exporters_is_what_its_help_says() -> None:
    page = man_pages.pages()["pgbackstop-exporter.1"]
    assert "%(" not in page
    assert ".B \\-\\-web.telemetry\\-path PATH\n/metrics\n" in page
    assert ".B metrics\nprint every metric" in page
