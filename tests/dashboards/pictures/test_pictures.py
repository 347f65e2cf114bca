"""The pages as a person sees them, in every state: stats, tables and graphs from the dashboards' own JSON.

With PICTURES=FOLDER in the environment the pictures are kept, for a person to look at.
"""

import json
import os
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.pictures import installation, page
from tests.dashboards.pictures.states import STATES, State
from tests.support import install_grafana_ui

pytestmark = [pytest.mark.slow, pytest.mark.integration]
HERE = Path(__file__).parent
# What a table shows that nobody gave a heading.
LEFT_OVER = {"Value", "Time", "__name__", "backup_type", "instance", "job"}
MODULES = install_grafana_ui.MODULES
TIME = 20_000  # milliseconds of the page's own clock, which stands still while it works


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grafana's components and the page that draws with them."""
    for name in ("node", "chromium"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: Debian's packages nodejs, npm and chromium draw the pages")
    if not MODULES.exists():
        pytest.skip("Grafana's packages are not installed: make test-tools does it where npm is")
    output = tmp_path_factory.mktemp("bundle") / "page.js"
    subprocess.run(["node", HERE / "build.mjs", MODULES, output], check=True)
    return output


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_page_says_what_is_so(state: State, bundle: Path, tmp_path: Path) -> None:
    with installation.running(state, tmp_path) as found:
        pages = {uid: page.page(uid, state, found) for uid in state.pages}
    said: dict[str, str] = {}
    for uid, content in pages.items():
        texts = drawn(bundle, content, kept(tmp_path) / f"{state.name}.{uid}.png", tmp_path / "profile")
        assert texts.broken == [], uid
        assert not texts.cut, texts.cut
        assert not [title for title, text in texts.found.items() if LEFT_OVER & set(text.split())]
        said = texts.found | said
    for title, words in state.says.items():
        assert [word for word in words if word not in said[title]] == [], f"{title}: {said[title]}"
    for title, words in state.never.items():
        assert [word for word in words if word in said[title]] == [], f"{title}: {said[title]}"


def kept(otherwise: Path) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("PICTURES", otherwise))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def drawn(bundle: Path, content: dict[str, Any], picture: Path, profile: Path) -> "Texts":
    """The texts of a page, and its picture."""
    html = picture.with_suffix(".html")
    # "<" in a script would end it where a text has "</script".
    data = json.dumps(content).replace("<", "\\u003c")
    html.write_text(
        '<!DOCTYPE html><meta charset="utf-8"><body><div id="root"></div>'
        f"<script>window.page = {data}</script>"
        f'<script src="{bundle.as_uri()}"></script>'
    )
    chromium = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--dump-dom",
    ]
    answer = subprocess.run(
        [
            *chromium,
            f"--screenshot={picture}",
            f"--window-size={content['width']},{page.height(content)}",
            f"--virtual-time-budget={TIME}",
            f"--user-data-dir={profile}",
            html.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    html.unlink()
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert picture.stat().st_size > 0
    texts = Texts()
    texts.feed(answer.stdout)
    return texts


class Texts(HTMLParser):
    """The text of each panel by its title, and what of it is cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.broken: list[str] = []
        self.cut: list[str] = []
        self._title = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "data-title" in given:
            self._title, self._depth = given["data-title"] or "", 0
            self.found[self._title] = ""
        if given.get("class") == "broken":
            self.broken.append(self._title)
        if "data-cut" in given:
            self.cut.append(f"{self._title}: {given['data-cut']}")
        if tag == "div" and self._title:
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._title:
            self._depth -= 1
            self._title = self._title if self._depth else ""

    def handle_data(self, data: str) -> None:
        if self._title:
            self.found[self._title] += f" {data.strip()}"
