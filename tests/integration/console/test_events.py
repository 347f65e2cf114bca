"""Pages follow what happens: by one stream for all tabs of a browser, or by asking where there is none."""

import contextlib
import http.client
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_runner.console.operations import Operations
from tests.integration.console import fleet as fleets
from tests.integration.console import fleet_site
from tests.integration.console.conftest import DEADLINE, Visit
from tests.integration.console.fleet import Fleet
from tests.integration.console.test_browser import PATIENCE, enter
from tests.support import factories, places, ports

TABS = 10


@pytest.fixture(scope="module")
def known() -> Operations:
    return Operations()


@pytest.fixture(scope="module")
def fleet(known: Operations) -> Iterator[Fleet]:
    made = fleets.made(places.make(), ports.free())
    with fleet_site.served(made, known):
        yield made


def failed(fleet: Fleet, number: int) -> str:
    """Something new on record, as another process writes it; its id."""
    started = fleet.now + number * factories.DAY
    made = factories.backup(
        number,
        started,
        plan="shop-logical",
        server="shop",
        database="shop",
        status=Status.FAILED,
        reason=Reason.TOOL,
        size_bytes=None,
        location=None,
    ).evolve(id=new_id(started))
    fleet.opened.catalog.put(made)
    return made.id


def test_ten_tabs_follow_by_one_connection(browser: Browser, fleet: Fleet) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    tabs = [context.new_page() for _ in range(TABS)]
    enter(tabs[0], fleet, "ada")
    for each in tabs:
        each.goto(fleet.address)
        expect(each.locator("html")).to_have_attribute("data-follows", "stream", timeout=PATIENCE)
    made = failed(fleet, 1)
    for each in tabs:
        expect(each.locator(f"#run-{made}")).to_be_visible(timeout=PATIENCE)
        expect(each.locator("html")).to_have_attribute("data-follows", "stream")
    context.close()


def test_where_there_is_no_stream_a_page_asks_from_time_to_time(browser: Browser, fleet: Fleet) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    context.add_init_script("delete window.SharedWorker")
    page = context.new_page()
    enter(page, fleet, "ada")
    expect(page.locator("html")).to_have_attribute("data-follows", "polling")
    made = failed(fleet, 2)
    expect(page.locator(f"#run-{made}")).to_be_visible(timeout=PATIENCE)
    context.close()


@contextlib.contextmanager
def listening(visit: Visit) -> Iterator[http.client.HTTPResponse]:
    line = http.client.HTTPConnection("127.0.0.1", visit.port, timeout=DEADLINE)
    with contextlib.closing(line):
        line.request("GET", "/events", headers={"Cookie": visit.cookie})
        answer = line.getresponse()
        with contextlib.closing(answer):
            yield answer


def until_records_changed(told: http.client.HTTPResponse) -> None:
    while (line := told.readline()) != b"event: records\n":
        assert line in {b"\n", b":\n", b"data: changed\n"}, line


def test_the_stream_tells_that_something_changed_and_ends_with_the_session(fleet: Fleet) -> None:
    vera = Visit(port=fleet.port)
    with listening(vera) as nobody:
        assert (nobody.status, nobody.headers["Location"]) == (303, "/login")
    vera.login("vera")
    with listening(vera) as told:
        assert (told.status, told.headers["Content-Type"]) == (200, "text/event-stream")
        assert told.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert told.readline() == b"retry: 3000\n"
        failed(fleet, 3)
        until_records_changed(told)
        assert vera.post("/logout").status == 303
        assert set(told.read().splitlines()) <= {b"", b"data: changed", b":", b"event: operations"}


def test_the_stream_outlasts_a_catalog_that_is_away(fleet: Fleet) -> None:
    vera = Visit(port=fleet.port)
    vera.login("vera")
    root = fleet.opened.config.catalog_folder()
    with listening(vera) as told:
        assert told.readline() == b"retry: 3000\n"
        away = root.rename(root.with_name("away"))
        until_records_changed(told)
        away.rename(root)
        until_records_changed(told)
        assert vera.post("/logout").status == 303
        told.read()  # to its end: it has a place until then


def test_too_many_who_listen_are_told_to_ask(fleet: Fleet) -> None:
    vera = Visit(port=fleet.port)
    vera.login("vera")
    with contextlib.ExitStack() as opened:
        answers = [opened.enter_context(listening(vera)) for _ in range(33)]
        assert [each.status for each in answers] == [200] * 32 + [503]
        assert vera.get("/").status == 200
