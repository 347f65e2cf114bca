"""The page for people as HTML, and when it is built."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pgbackstop_exporter.supervisor import Supervisor
from pgbackstop_exporter.web import status, status_page
from pgbackstop_exporter.web.status import PlanRow, State, Status
from pgbackstop_exporter.web.status_items import Item
from pgbackstop_exporter.web.status_page import StatusPage
from tests.support.factories import NOW
from tests.unit.exporter import filled
from tests.unit.exporter.running import in_loop

UNIX = NOW.timestamp()
EVIL = "<script>'\"&"
ROW = PlanRow(
    plan="daily",
    server="main",
    database="shop",
    state=State(word="ok"),
    age="3h00m ago (limit 25h)",
    size="1.0 MB",
    duration="12s",
    next_run="in 21h00m",
    verified="never",
    drilled="never",
)


class Document(HTMLParser):
    """Counts tags, and whether each that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(*rows: PlanRow, items: tuple[Item, ...] = ()) -> str:
    found = Status(plans=rows, servers=items, disks=items, exporter=items)
    return status_page.render(found, UNIX, "/metrics")


@pytest.mark.parametrize("number", [0, 1, 5, 100])
def test_it_is_well_formed_and_has_a_row_for_each(number: int) -> None:
    document = Document(page(*[ROW] * number))
    assert document.tags.count("td") == number * 10
    assert document.tags.count("table") == (number > 0)


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ((), "No plan is configured"),
        (("ok",), "Backups: ok"),
        (("ok", "ok"), "Backups: all 2 ok"),
        (("ok", "failed", "ok", "late"), "Backups: 1 late, 1 failed, 2 ok"),
    ],
)
def test_it_begins_with_the_verdict(words: tuple[str, ...], verdict: str) -> None:
    rows = [replace(ROW, state=State(word=word)) for word in words]
    assert f"<h1>{verdict}</h1>" in page(*rows)


def test_a_state_is_a_word_and_its_reason_and_marked_where_it_is_bad() -> None:
    text = page(replace(ROW, state=State(word="failed", why="1h00m ago, 2 in a row")))
    assert "<tr class='bad'><td><b>failed</b><small>1h00m ago, 2 in a row</small></td>" in text
    assert "class='bad'" not in page(ROW)
    look = Item(name="/backups", is_well=False, lines=("full",))
    assert "<li class='bad'>/backups <b>look</b><small>full</small></li>" in page(items=(look,))


def test_what_comes_from_outside_is_only_text() -> None:
    row = replace(ROW, plan=EVIL, database=EVIL, state=State(word="late", why=EVIL))
    document = Document(page(row, items=(Item(name=EVIL, is_well=False, lines=(EVIL,)),)))
    assert document.texts.count(EVIL) == 6
    assert "script" not in document.tags
    assert "<script" not in status_page.render(
        Status(plans=(), servers=(), disks=(), exporter=()), UNIX, EVIL
    )


def test_nothing_is_loaded_and_only_its_own_style_is_allowed() -> None:
    text = page(ROW)
    assert re.findall(r"(?:src|href)='([^']*)'", text) == ["/metrics"]
    assert "style=" not in text
    policy = status_page.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


@in_loop
async def test_it_is_built_again_only_after_a_change(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = 0
    of = status.of

    def count(*arguments: object) -> Status:
        nonlocal built
        built += 1
        return of(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(status, "of", count)
    watch = _watch(tmp_path_factory.mktemp("filled"))
    page = StatusPage(watch, "/metrics")
    first = await page.text()
    assert await page.text() is first
    assert built == 1
    watch.snapshot = replace(watch.snapshot, disks={})
    assert await page.text() is not first
    assert built == 2


def _watch(folder: Path) -> Supervisor:
    snapshot = filled.snapshot(folder)
    watch = Supervisor(folder / "pgbackstop.yaml", snapshot.settings)
    watch.snapshot = snapshot
    return watch
