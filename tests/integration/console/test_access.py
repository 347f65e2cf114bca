"""Who may do what in the console, and what is refused to everybody."""

import re

from pgbackstop_runner.console import server
from pgbackstop_runner.console.api.endpoint import BASE
from pgbackstop_runner.console.app import ConsoleContext, Route
from pgbackstop_runner.console.guard import RANKS
from pgbackstop_runner.console.operations import Operations
from tests.integration.console.conftest import PASSWORD, ROLES, Site, Visit


def routes() -> list[Route]:
    """Every page and form, as the application adds them."""

    def nowhere() -> None:
        raise AssertionError

    context = ConsoleContext(workspace=nowhere, operations=Operations())  # type: ignore[arg-type]
    context.application(*server.PARTS)
    return context.routes


def path_of(route: Route) -> str:
    """With names that exist for nobody, so that what is let in ends in 404 and starts nothing."""
    return re.sub(r"\{\w+\}", "nothing", route.path)


def test_every_page_is_for_its_roles_and_for_nobody_else(site: Site) -> None:
    visitors = {name: site.visit(name) for name in ROLES}
    tokens = {name: visit.csrf() for name, visit in visitors.items()}
    found = routes()
    assert len(found) > 12
    for route in found:
        path = path_of(route)
        if route.path in {"/login", "/logout", "/language", "/events"} or route.path.startswith(f"{BASE}/"):
            continue  # the API's have a table of their own
        anonymous = site.visit().ask(route.method, path, {} if route.method == "POST" else None)
        if route.role is None:
            # Without a provider there is nothing to sign in by.
            assert anonymous.status == (404 if "oidc" in route.path else 200), route
            continue
        assert (anonymous.status, anonymous.headers["Location"]) == (303, "/login"), route
        for name, role in ROLES.items():
            form = {"csrf": tokens[name]} if route.method == "POST" else None
            status = visitors[name].ask(route.method, path, form).status
            is_let_in = RANKS[role] >= RANKS[route.role]  # type: ignore[index]
            assert status in ({200, 404} if is_let_in else {403}), (route, name)


def test_a_page_is_at_its_own_address_and_by_its_own_method_alone(site: Site) -> None:
    vera = site.visit("vera")
    for route in routes():
        path = path_of(route)
        others = (("HEAD", path), ("PUT", path), ("OPTIONS", path), (route.method, f"/{path}"))
        beside = () if route.path == "/" else ((route.method, f"{path}/"),)
        for method, address in (*others, *beside):
            assert vera.ask(method, address).status in {404, 405}, (method, address)


def test_forms_of_other_sites_start_nothing(site: Site) -> None:
    otto = site.visit("otto")
    token = otto.csrf()
    refused = [
        otto.ask("POST", "/plans/shop/backup", {}),
        otto.ask("POST", "/plans/shop/backup", {"csrf": "wrong"}),
        otto.ask("POST", "/plans/shop/backup", {"csrf": token}, Origin="https://evil.example"),
        otto.ask("POST", "/plans/shop/backup", {"csrf": token}, Origin="null"),
        otto.ask("POST", "/plans/shop/backup", {"csrf": token}, Sec_Fetch_Site="cross-site"),
        otto.ask("POST", "/plans/shop/backup", {"csrf": site.visit("ada").csrf()}),
        otto.ask("GET", "/", None, Host="evil.example"),
        site.visit().login("otto", Origin="https://evil.example"),
    ]
    assert [answer.status for answer in refused] == [403] * len(refused)
    opened = otto.get("/plans/shop/backup")
    assert (opened.status, opened.headers["Allow"]) == (405, "POST")
    assert "There is no such page." in opened.text
    assert "Nothing yet." in otto.get("/activity").text
    assert not list(site.catalog.backups())


def test_what_is_no_form_is_refused_and_is_no_bug(site: Site) -> None:
    urlencoded = "application/x-www-form-urlencoded"
    otto, password = site.visit("otto"), f"name=otto&password={PASSWORD}".encode()
    for kind, body in (
        (f"{urlencoded}; charset=nothing", password),
        (f"{urlencoded}; charset=unicode_escape", rb"name=\ud800&password=\ud800"),
        (urlencoded, b"name=\xff&password=\xff"),
        ("multipart/form-data", password),
        ("multipart/form-data; boundary=a", b"--b\r\n"),
    ):
        for visit, path in ((site.visit(), "/login"), (otto, "/plans/shop/backup")):
            sent = {"Content-Type": kind, "Cookie": visit.cookie}
            assert visit.send("POST", path, body, sent).status == 400, (path, kind)
    assert "the console failed" not in (site.folder / "log").read_text()
    assert not list(site.catalog.backups())


def test_every_answer_forbids_what_is_not_ours(site: Site) -> None:
    for path in ("/login", "/", "/nothing", "/static/console.css"):
        headers = site.visit().get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    answer = site.visit().login("otto")
    assert {"HttpOnly", "SameSite=Strict"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_a_wrong_password_is_refused_and_soon_no_more_are_tried(site: Site) -> None:
    visit = site.visit()
    assert [visit.login("otto", "wrong").status for _ in range(5)] == [403] * 5
    assert visit.login("otto").status == 429
    assert visit.login("nobody", PASSWORD).status == 403
    assert visit.login("vera").status == 303, "another name is not locked out"
    site.visit("ada")


def test_who_logs_out_is_out(site: Site) -> None:
    otto = site.visit("otto")
    kept = Visit(port=site.port, cookie=otto.cookie)
    assert otto.post("/logout").status == 303
    assert kept.get("/").headers["Location"] == "/login"
    assert kept.ask("GET", "/", None, HX_Request="true").headers["HX-Redirect"] == "/login"
