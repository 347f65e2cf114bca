"""The documentation builds as a site, with every link and anchor checked, and each page in the navigation."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class _Addresses(HTMLParser):
    """Collects what a browser fetches for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") == "canonical":
            return
        self.found.append(given.get(FETCHED.get(tag, ""), "") or "")


def test_a_list_with_a_block_of_code_inside_is_one_list(site: Path) -> None:
    """The forge reads three spaces as "inside of the item", and so does the site."""
    page = (site / "index.html").read_text()
    steps = page[page.index('id="use-it-on-your-server"') :]
    first_list = steps[: steps.index("</ol>")]
    assert "<code>" in first_list
    assert "password_file" in first_list
    assert "Get alerts" in first_list


def test_a_link_to_a_folder_goes_to_the_repository(site: Path) -> None:
    assert "/tree/main/alerts" in (site / "index.html").read_text()


def test_a_reader_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    for page in pages:
        addresses = _Addresses()
        addresses.feed(page.read_text())
        assert not [each for each in addresses.found if "//" in each], page.name
