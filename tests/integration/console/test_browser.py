"""The console in Debian's Chromium, as a person uses it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.console.conftest import PASSWORD, Site
from tests.integration.console.fleet import Fleet
from tests.support.databases import Database

PATIENCE = 60_000.0  # milliseconds; only what is broken ever takes so long


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    made = context.new_page()
    yield made
    context.close()


def enter(page: Page, site: Site | Fleet, name: str) -> None:
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


@pytest.mark.parametrize(("zone", "own"), [("Asia/Tokyo", r" \(\w+ 11:00, Asia/Tokyo\)"), ("UTC", "")])
def test_due_times_stand_in_the_plans_zone_and_in_the_viewers(
    site: Site, browser: Browser, zone: str, own: str
) -> None:
    context = browser.new_context(timezone_id=zone)
    page = context.new_page()
    enter(page, site, "vera")
    page.goto(f"{site.address}/plans")
    first = page.get_by_role("list", name="Next runs").get_by_role("listitem").first
    # The first of January, of whichever year is next.
    expect(first).to_have_text(re.compile(rf"^\w+ \d{{4}}-01-01 02:00 UTC{own}$"), timeout=PATIENCE)
    context.close()
