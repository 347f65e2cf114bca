"""Single tables out of a backup: beside the live ones, and lost ones with what CASCADE took."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.integration.console.conftest import Site, deeds, ended, planned
from tests.integration.console.test_browser import PATIENCE, enter, page
from tests.support.databases import Database

__all__ = ["page"]
pytestmark = pytest.mark.integration


@pytest.fixture
def backup(site: Site, database: Database) -> Backup:
    database.execute('CREATE TABLE "заказы <b>" (id int); CREATE VIEW many AS SELECT * FROM orders')
    otto = site.visit("otto")
    ended(otto, otto.post("/plans/shop/backup"))
    made = next(site.catalog.backups("shop"))
    assert made.is_available, made.message
    return made


def asked(backup: Backup, way: str, *tables: str, **more: str) -> str:
    query = urlencode([*(("table", each) for each in tables), *more.items()])
    return f"/backups/{backup.id}/{way}?{query}"


def test_an_operator_puts_tables_beside_the_live_ones(site: Site, backup: Backup, database: Database) -> None:
    otto, vera = site.visit("otto"), site.visit("vera")
    listed = unescape(vera.get(asked(backup, "tables")).text)
    assert 'value="public.orders"' in listed
    assert "Show the plan" in listed
    assert "hx-get" not in listed, "nothing is read before a table is chosen"
    found = vera.get(asked(backup, "tables", find="ЗАКАЗЫ")).text
    assert re.findall(r'name="table" value="([^"]+)"', found) == ["public.&#34;заказы &lt;b&gt;&#34;"]
    database.execute("DELETE FROM orders")
    wanted = asked(backup, "tables", "public.orders", schema="before <b>")
    assert "needs the role operator; yours is viewer" in planned(vera, wanted)
    form = {"table": "public.orders", "schema": "before <b>"}
    path = f"/backups/{backup.id}/tables"
    assert vera.post(path, form).status == 403
    assert "nothing was started" in otto.post(path, {**form, "schema": "another"}).text
    assert "has no name" in otto.post(path, {**form, "schema": ""}).text
    assert "exit code 0" in ended(otto, otto.post(path, form))
    assert database.execute('SELECT count(*) > 0 FROM "before <b>".orders') == [(True,)]
    assert database.row_counts()["orders"] == 0, "the live one is as it was"
    assert next(site.catalog.restores()).method == "selection"


def test_what_no_table_can_be_is_refused_in_a_sentence(site: Site, backup: Backup) -> None:
    otto = site.visit("otto")
    assert otto.get(asked(backup, "tables", "a\0b")).status == 400
    many = otto.get(asked(backup, "tables", *(f"public.t{number}" for number in range(51))))
    assert (many.status, "51 tables are more than 50" in many.text) == (400, True)
    assert "has no table" in planned(otto, asked(backup, "tables", "public.nothing", schema="s"))
    assert not list(site.catalog.restores())
    assert otto.post(f"/backups/{backup.id}/lost", {"table": "public.orders"}).status == 403


def test_an_admin_brings_a_lost_table_back_and_is_told_what_cascade_took(
    site: Site, backup: Backup, database: Database, page: Page
) -> None:
    before = database.rows()
    database.execute("DROP TABLE orders CASCADE")
    enter(page, site, "ada")
    page.goto(f"{site.address}/backups/{backup.id}")
    page.get_by_role("link", name="Restore…").click()
    page.get_by_role("link", name="Lost tables, where they were").click()
    page.get_by_label("public.orders", exact=False).check()
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_text("depends on it; where it is gone, make it again")).to_be_visible(timeout=PATIENCE)
    page.locator("#typed").fill(f"{database.name} ")
    page.locator("#start").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was touched")
    page.go_back()
    page.locator("#typed").fill(database.name)
    page.locator("#start").click()
    expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
    expect(page.locator("p.note", has_text="is gone, as CASCADE takes it")).to_be_visible()
    assert database.rows() == before
    done = next(site.catalog.restores())
    assert (done.status, done.operator) == (Status.SUCCEEDED, "ada in the console")
    assert "CASCADE" in site.visit("vera").get(f"/restores/{done.id}").text
    assert ("ada", f"restore main/{database.name}: public.orders", "refused: typed name") in deeds(site)
