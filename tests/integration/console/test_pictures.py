"""Every page in every state, as people see it: in light, in dark, and on a phone.

With PICTURES=FOLDER in the environment the pictures are kept, for a person to look at.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pgbackstop_catalog.records.attempt import Reason, Status
from tests.integration.console import fleet as fleets
from tests.integration.console import fleet_site
from tests.integration.console.conftest import PASSWORD, Site
from tests.integration.console.fleet import Fleet
from tests.integration.console.fleet_configuration import DATABASES
from tests.integration.console.test_browser import PATIENCE, enter
from tests.support import factories, ports
from tests.support import places as folders

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}

FAILED: dict[str, Any] = {"status": Status.FAILED, "reason": Reason.TOOL, "size_bytes": None, "message": "no"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A fleet in every state, before its console."""
    made = fleets.made(folders.make(), ports.free())
    with fleet_site.served(made, fleet_site.operations(made)):
        yield made


def places(fleet: Fleet) -> dict[str, str]:
    """Each page by the name of its picture."""
    return {
        "overview": "/",
        "backups": "/backups",
        "backup": f"/backups/{fleet.newest('shop-logical', 'shop').id}",
        "failed": f"/backups/{fleet.newest('crm-logical', 'crm').id}",
        "tables": f"/backups/{fleet.newest('shop-logical', 'shop').id}/tables",
        "plans": "/plans",
        "plan": "/plans/shop-logical?database=shop",
        "retention": "/plans/shop-logical/retention",
        "plan-failed": "/plans/crm-logical",
        "activity": "/activity",
        "operation": "/activity/00000002",
        "interrupted": "/activity/00000004",
        "audit": "/audit",
    }


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, fleet: Fleet, look: str) -> Iterator[Page]:
    """Ada's browser."""
    context = browser.new_context(**LOOKS[look])
    context.set_default_timeout(PATIENCE)
    made = context.new_page()
    enter(made, fleet, "ada")
    yield made
    context.close()


def kept(otherwise: Path) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("PICTURES", otherwise))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# The texts of a page that are hard to read, WCAG 2.2 AA: what is large needs less.
CONTRAST = """
() => {
  const light = (color) => {
    const parts = color.slice(0, 3).map((each) => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parsed(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const pair = [light(parsed(style.color)), light(behind(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) found.push([element.textContent.trim().slice(0, 40), ratio]);
  }
  return found;
}
"""
# Fields, buttons, links and pictures that a screen reader has no words for.
UNNAMED = """
() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a, svg[role=img]")]
  .filter((each) => !(each.labels && each.labels.length) && !each.getAttribute("aria-label")
    && !each.textContent.trim())
  .map((each) => each.outerHTML.slice(0, 90))
"""
# Words of a page in Russian that are English and come from us: names and what programs said are marked.
ENGLISH = """
() => {
  const page = document.body.cloneNode(true);
  const names = "bdi, code, pre, time, svg, [name=plan] option, [name=database] option";
  const labels = [...page.querySelectorAll("[data-label]")].map((each) => each.dataset.label);
  page.querySelectorAll(`${names}, [lang=en]`).forEach((each) => each.remove());
  const known = ["pgbackstop", "UTC", "WAL", "PostgreSQL", "SQL", "CASCADE", "initdb", "LSN"];
  const words = `${page.textContent} ${labels.join(" ")}`.match(/[A-Za-z]{2,}/g) || [];
  return [...new Set(words)].filter((each) => !known.includes(each));
}
"""
# Pixels of the frame around what has the keyboard's focus; null behind the last thing that can have it.
OUTLINE = """
() => {
  if (document.activeElement === document.body) return null;
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
}
"""
# What a person cannot see to its end without moving it sideways.
CUT = """
() => [...document.querySelectorAll("body *")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1
    && getComputedStyle(each).display !== "inline" && each.checkVisibility() && each.tagName !== "OPTION")
  .map((each) => each.outerHTML.slice(0, 90))
"""


def fits(page: Page, name: str, picture: Path) -> None:
    """Assert that nothing of it is cut off or hard to read."""
    page.screenshot(path=picture, full_page=True)
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1], f"{name} is wider than the screen"
    assert page.evaluate(CUT) == [], name
    assert page.evaluate(CONTRAST) == [], name


def test_every_page_fits_and_is_pictured(page: Page, fleet: Fleet, look: str, tmp_path: Path) -> None:
    for name, path in places(fleet).items():
        page.goto(fleet.address + path)
        fits(page, name, kept(tmp_path) / f"console-{name}.{look}.png")


def test_every_page_speaks_russian_to_who_wants_it(
    browser: Browser, fleet: Fleet, look: str, tmp_path: Path
) -> None:
    context = browser.new_context(**LOOKS[look], locale="ru-RU")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{fleet.address}/login")
    assert page.evaluate(ENGLISH) == [], "login"
    page.get_by_label("Имя").fill("ada")
    page.get_by_label("Пароль").fill(PASSWORD)
    page.get_by_role("button", name="Войти").click()
    expect(page.get_by_role("link", name="Обзор")).to_be_visible()
    shown = places(fleet).items()
    for name, path in list(shown)[:1] if look == "dark" else shown:  # colours are those of English pages
        page.goto(fleet.address + path)
        assert page.locator("html").get_attribute("lang") == "ru"
        fits(page, name, kept(tmp_path) / f"console-{name}.ru.{look}.png")
        assert page.evaluate(ENGLISH) == [], name
    page.goto(f"{fleet.address}/backups?state=failed")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text("Backups")
    assert page.url == f"{fleet.address}/backups?state=failed"
    context.close()


def test_the_first_line_says_whether_one_is_safe(page: Page, fleet: Fleet) -> None:
    page.goto(fleet.address)
    expect(page.locator("h1")).to_have_text(
        "NOT SAFE: server shop: 20 WAL segments are missing (and 7 more)."
    )
    expect(page).to_have_title("NOT SAFE · Backups of the shop")
    states = set(page.locator(".wide .badge").all_inner_texts())
    assert states == {"ok", "too old", "paused", "never run", "unknown"}
    wrong = set(page.locator(".findings .badge").all_inner_texts())
    assert wrong == {"gap", "failed", "overdue", "too old", "never run", "unknown", "rows vanished"}
    assert page.locator("rect.window").count() == 2
    expect(page.get_by_text(re.compile("^Not recoverable: from .* to .* UTC\\.$"))).to_be_visible()
    for database in DATABASES:
        expect(page.locator(".wide td", has_text=re.compile(f"^{re.escape(database)}$"))).to_be_visible()


def test_pages_of_a_restore_fit_and_are_pictured(
    site: Site, browser: Browser, tmp_path: Path, look: str
) -> None:
    context = browser.new_context(**LOOKS[look])
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{site.address}/login")
    page.screenshot(path=kept(tmp_path) / f"console-login.{look}.png")
    enter(page, site, "ada")
    page.goto(f"{site.address}/plans")
    page.locator("#backup-shop").click()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    record = next(site.catalog.backups("shop"))
    page.goto(f"{site.address}/backups/{record.id}/replace")
    expect(page.locator("#start")).to_be_visible(timeout=PATIENCE)
    page.locator("#typed").fill(record.database)
    page.locator("#start").click()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    restore = next(site.catalog.restores())
    shown = {
        "restores": "/restores",
        "restore": f"/restores/{restore.id}",
        "restore-plan": f"/backups/{record.id}/restore",
        "replace": f"/backups/{record.id}/replace",
    }
    for name, path in shown.items():
        page.goto(site.address + path)
        expect(page.locator("#live[hx-get]")).to_have_count(0, timeout=PATIENCE)
        fits(page, name, kept(tmp_path) / f"console-{name}.{look}.png")
    context.close()


def test_each_page_can_be_used_without_eyes_and_without_a_mouse(page: Page, fleet: Fleet) -> None:
    for name, path in places(fleet).items():
        page.goto(fleet.address + path)
        assert page.locator("h1").count() == 1, name
        assert page.locator("html").get_attribute("lang") == "en"
        for landmark in ("body > header", "nav[aria-label]", "main"):
            assert page.locator(landmark).count() == 1, f"{name}: {landmark}"
        assert page.locator('nav [aria-current="page"]').count() == 1, name
        assert page.evaluate(UNNAMED) == [], name
        # A table that a phone shows as a list is still a table for a screen reader.
        for table in page.get_by_role("table").all():
            assert table.get_by_role("row").count() > 0, name
            assert table.get_by_role("cell").count() > 0, name
        assert page.get_by_role("table").count() == page.locator("table:visible").count(), name
        ids = page.locator("[id]").evaluate_all("all => all.map((each) => each.id)")
        assert len(ids) == len(set(ids)), name
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        frames = [page.evaluate(OUTLINE)]
        while frames[-1] is not None and len(frames) < 12:
            page.keyboard.press("Tab")
            frames.append(page.evaluate(OUTLINE))
        assert len(frames) > 7, name
        assert all(frame is None or frame >= 2 for frame in frames), f"{name}: where is the focus?"
    page.goto(fleet.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_focus_stays_where_it_is_when_a_page_follows_by_itself(page: Page, fleet: Fleet) -> None:
    for path, link in (("/", "#subject-2"), ("/activity", "#operation-00000001")):
        page.goto(fleet.address + path)
        page.locator("#live").evaluate("live => { live.dataset.before = 'yes'; }")
        page.locator(link).focus()
        page.evaluate("document.body.dispatchEvent(new Event('records'))")
        page.evaluate("document.body.dispatchEvent(new Event('operations'))")
        expect(page.locator("#live[data-before]")).to_have_count(0)
        expect(page.locator(link)).to_be_focused()


def test_the_login_has_labels_and_says_what_is_wrong(browser: Browser, fleet: Fleet) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(fleet.address)
    assert (page.locator("h1").count(), page.evaluate(UNNAMED)) == (1, [])
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("a wrong one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name and password do not belong together.")
    page.close()


def test_plots_have_a_gap_for_each_run_that_failed_and_say_it_in_words(
    site: Site, browser: Browser, tmp_path: Path, look: str
) -> None:
    for day in range(30):
        started = factories.NOW - day * factories.DAY
        made = factories.backup(day, started, plan="archive", size_bytes=10**9 + (day * 7 % 11) * 10**8)
        site.catalog.put(made if day % 10 != 5 else made.evolve(**FAILED))
    context = browser.new_context(**LOOKS[look])
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    enter(page, site, "vera")
    page.goto(f"{site.address}/plans")
    page.locator('a[href="/plans/archive"]').click()
    size = page.get_by_role("img").first
    expect(size).to_have_accessible_name(re.compile("^Size of 27 runs: .*; 3 runs without, drawn as gaps"))
    assert size.locator("path.line").count() == 4
    assert size.locator("path.dot.gap").count() == 3
    page.get_by_text("The same in numbers").click()
    assert page.get_by_role("row").count() == 31
    fits(page, "plots", kept(tmp_path) / f"console-plots.{look}.png")
    context.close()
