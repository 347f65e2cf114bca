"""The console behind a proxy, at another host and below a path."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console.api.endpoint import BASE
from tests.integration.console.conftest import PASSWORD, Site, Visit, followed, serving
from tests.integration.console.program import token
from tests.integration.console.test_browser import PATIENCE
from tests.integration.console.test_console import failed
from tests.integration.daemon.conftest import until
from tests.support.databases import Database

HOST = "backup.example.com"
BEHIND = {"Host": HOST, "Origin": f"https://{HOST}"}
ADDRESS = re.compile(r'\b(?:href|src|action|formaction|hx-get|hx-post)="([^"]*)"')


@pytest.fixture
def behind(tmp_path: Path, database: Database) -> Iterator[Site]:
    with serving(tmp_path, database, public_url=f"https://{HOST}/ops/pgbackstop/") as made:
        yield made


def enter(site: Site, *, below: str) -> Visit:
    """Somebody whose proxy passes the path on as it is, or strips it."""
    made = site.visit()
    made.headers |= BEHIND
    answer = made.ask("POST", f"{below}/login", {"name": "ada", "password": PASSWORD})
    assert (answer.status, answer.headers["Location"]) == (303, "/ops/pgbackstop/")
    parts = set(answer.headers["Set-Cookie"].split("; "))
    assert {"Path=/ops/pgbackstop/", "Secure", "HttpOnly", "SameSite=Strict"} <= parts
    made.cookie = answer.headers["Set-Cookie"].partition(";")[0]
    return made


@pytest.mark.parametrize("below", ["/ops/pgbackstop", ""], ids=["passed on", "stripped"])
def test_every_address_of_every_page_is_below_the_path(behind: Site, below: str) -> None:
    record = failed("shop")
    behind.catalog.put(record)
    ada, seen = enter(behind, below=below), list[str]()
    for path in ("/", "/backups", f"/backups/{record.id}", "/plans", "/activity", "/audit", "/nothing"):
        answer = ada.get(below + path)
        assert answer.status == (404 if path == "/nothing" else 200), path
        seen += [address for address in ADDRESS.findall(answer.text) if not address.startswith("#")]
    assert {each for each in seen if not each.startswith("/ops/pgbackstop/")} == set()
    assert f"/ops/pgbackstop/backups/{record.id}" in seen
    for address in {each for each in seen if "/static/" in each}:
        assert ada.get(below + address.removeprefix("/ops/pgbackstop")).status == 200


@pytest.mark.parametrize("below", ["/ops/pgbackstop", ""], ids=["passed on", "stripped"])
def test_a_button_is_pressed_and_a_session_ends_there(behind: Site, below: str) -> None:
    ada = enter(behind, below=below)
    token = re.findall(r'name="csrf" value="([^"]+)"', ada.get(f"{below}/plans").text)[0]
    place = ada.ask("POST", f"{below}/plans/shop/backup", {"csrf": token}).headers["Location"]
    assert place.startswith("/ops/pgbackstop/activity/")
    until(lambda: "hx-get" not in ada.get(place).text, "the backup ends")
    made = next(behind.catalog.backups("shop"))
    assert made.started_at <= utc_now()
    for path in (f"/backups/{made.id}/restore?into=anew", "/servers/main/recover?into=%2Fnowhere%2Fanew"):
        text = ada.get(below + path).text
        asked_again = re.findall(r'hx-get="([^"]*)"', text)
        assert asked_again == [f"/ops/pgbackstop{path}"], text
        followed(ada, below + path)
    left = ada.ask("POST", f"{below}/logout", {"csrf": token})
    assert left.headers["Location"] == "/ops/pgbackstop/login"
    assert "Path=/ops/pgbackstop/" in left.headers["Set-Cookie"]
    gone = ada.ask("GET", f"{below}/", HX_Request="true")
    assert gone.headers["HX-Redirect"] == "/ops/pgbackstop/login"


@pytest.mark.parametrize("below", ["/ops/pgbackstop", ""], ids=["passed on", "stripped"])
def test_programs_are_answered_and_refused_there(behind: Site, below: str) -> None:
    operator = token(behind, "deploy", "operator")
    sent = {"Authorization": f"Bearer {operator.secret}", "Host": HOST, "Content-Type": "application/json"}
    for path, status in (("/status", 200), ("/nothing", 404), ("/audit", 403)):
        answer = behind.visit().send("GET", below + BASE + path, None, sent)
        kind = "application/json" if status == 200 else "application/problem+json"
        assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (status, kind), answer
    begun = behind.visit().send("POST", f"{below}{BASE}/backups", '{"plan": "shop"}', sent)
    place = begun.headers["Location"]
    assert place.startswith(f"/ops/pgbackstop{BASE}/operations/"), begun
    assert behind.visit().send("GET", place, None, sent).status == 200


def test_a_page_follows_by_the_stream_there(behind: Site, browser: Browser) -> None:
    name, _, value = enter(behind, below="/ops/pgbackstop").cookie.partition("=")
    overview = f"{behind.address}/ops/pgbackstop/"
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{"name": name, "value": value, "url": overview}])
    page = context.new_page()
    page.goto(overview)
    expect(page.locator("html")).to_have_attribute("data-follows", "stream", timeout=PATIENCE)
    record = failed("shop")
    behind.catalog.put(record)
    expect(page.locator(f"#run-{record.id}")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("html")).to_have_attribute("data-follows", "stream")
    context.close()


def test_the_path_without_its_slash_is_the_overview(behind: Site) -> None:
    assert "<h1><bdi>NOT SAFE" in enter(behind, below="").get("/ops/pgbackstop").text


def test_hosts_and_sites_of_others_are_refused_there_too(behind: Site) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"Host": HOST, "Origin": "https://evil.example"},
        {"Host": HOST, "Origin": f"http://{HOST}"},
        {"Host": f"{HOST}:8443", "Origin": f"https://{HOST}"},
    ):
        form = {"name": "ada", "password": PASSWORD}
        assert behind.visit().ask("POST", "/ops/pgbackstop/login", form, **headers).status == 403
    # A proxy that does not pass Host on asks by the name of its own way to us.
    plain = {"Origin": f"https://{HOST}"}
    assert behind.visit().ask("POST", "/login", {"name": "ada", "password": PASSWORD}, **plain).status == 303
