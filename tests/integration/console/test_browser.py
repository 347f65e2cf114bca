"""The console in Debian's Chromium, as a person uses it, with pictures in light, dark and on a phone."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integration.console.conftest import PASSWORD, Site
from tests.integration.console.test_console import HOSTILE, failed
from tests.support.databases import Database

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
PATIENCE = 60_000.0  # milliseconds; only what is broken ever takes so long
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: Debian's package draws the pages")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    made = context.new_page()
    yield made
    context.close()


def kept(otherwise: Path) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("PICTURES", otherwise))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def enter(page: Page, site: Site, name: str) -> None:
    page.goto(site.address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=PATIENCE)


def test_somebody_logs_in_runs_a_backup_watches_it_end_and_opens_it(site: Site, page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    enter(page, site, "otto")
    page.get_by_role("link", name="Plans").click()
    page.locator("#backup-shop").click()
    page.wait_for_url(re.compile(r"/activity/\w+$"))
    # Nobody reloads: the page follows the run by itself.
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    page.get_by_role("link", name="Backups of the plan").click()
    record = next(site.catalog.backups("shop"))
    page.locator(f'a[href="/backups/{record.id}"]').click()
    expect(page.locator("h1 .badge")).to_have_text("available")
    expect(page.get_by_role("button", name="Verify")).to_be_visible()
    assert complaints == []


def test_somebody_restores_beside_swaps_in_by_typing_and_undoes(
    site: Site, page: Page, database: Database
) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    enter(page, site, "ada")
    page.goto(f"{site.address}/plans")
    page.locator("#backup-shop").click()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    record = next(site.catalog.backups("shop"))
    before = database.rows()
    database.execute("DELETE FROM orders")
    page.goto(f"{site.address}/backups/{record.id}")
    page.get_by_role("link", name="Restore…").click()
    beside = Database(server=database.server, name=f"{database.name}_beside")
    page.get_by_label("Name of the new database").fill(beside.name)
    page.get_by_role("button", name="Show the plan").click()
    page.locator("#start").click(timeout=PATIENCE)
    # Who reloads finds it again.
    page.reload()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    assert beside.rows() == before
    page.goto(f"{site.address}/backups/{record.id}/restore")
    page.get_by_role("link", name="In the place of the live one").click()
    page.get_by_label("Type", exact=False).fill(f"{database.name} ")
    page.locator("#start").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was touched")
    assert database.row_counts()["orders"] == 0
    page.go_back()
    page.locator("#typed").fill(database.name)
    page.locator("#start").click()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    assert database.rows() == before
    page.get_by_role("link", name="The restore").click()
    page.locator("#typed-undo").fill(database.name)
    page.locator("#undo").click()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    assert database.row_counts()["orders"] == 0
    page.get_by_role("link", name="The restore").click()
    expect(page.get_by_text("undone", exact=True)).to_be_visible()
    beside.drop()
    # The browser says of the refusal that it was one.
    assert [each for each in complaints if "400" not in each] == []


@pytest.mark.parametrize("look", LOOKS)
def test_pages_fit_and_are_pictured(site: Site, browser: Browser, tmp_path: Path, look: str) -> None:
    site.catalog.put(failed("shop", database=HOSTILE, message=HOSTILE))
    context = browser.new_context(**LOOKS[look])  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{site.address}/login")
    page.screenshot(path=kept(tmp_path) / f"console.login.{look}.png")
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
    shown = {"overview": "/", "backups": "/backups", "backup": f"/backups/{record.id}", "plans": "/plans"}
    shown |= {"restores": "/restores", "restore": f"/restores/{restore.id}"}
    shown |= {"plan": f"/backups/{record.id}/restore", "replace": f"/backups/{record.id}/replace"}
    for name, path in {**shown, "activity": "/activity", "audit": "/audit"}.items():
        page.goto(site.address + path)
        expect(page.locator("[hx-trigger='every 1s']")).to_have_count(0, timeout=PATIENCE)
        page.screenshot(path=kept(tmp_path) / f"console.{name}.{look}.png", full_page=True)
        widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1], f"{name} is wider than the screen"
    context.close()
