"""The console over HTTP: who may do what, what is refused, and a backup from the button to the record."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup, FileList
from pgbackstop_runner.console import server
from pgbackstop_runner.console.api.endpoint import BASE
from pgbackstop_runner.console.app import Desk, Route
from pgbackstop_runner.console.guard import RANKS
from pgbackstop_runner.console.operations import Operations
from tests.integration.console.conftest import PASSWORD, ROLES, Site, Visit, deeds, until
from tests.support import factories
from tests.support.databases import Database

HOSTILE = "\u202e<script>alert(1)</script>'\"&\x1b[31m\u0634\u0631\u0643\u0629"


def routes() -> list[Route]:
    """Every page and form, as the application adds them."""

    def nowhere() -> None:
        raise AssertionError

    desk = Desk(workspace=nowhere, operations=Operations())  # type: ignore[arg-type]
    desk.application(*server.PARTS)
    return desk.routes


def failed(plan: str, *, database: str = "", message: str = "") -> Backup:
    return factories.failed(utc_now(), plan=plan, database=database, message=message)


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


def test_an_admin_downloads_the_files_of_a_backup_and_nothing_else(site: Site) -> None:
    ada, otto = site.visit("ada"), site.visit("otto")
    started = failed("shop")
    record = started.evolve(
        status=Status.SUCCEEDED,
        reason=None,
        storage="disk",
        location=f"backups/main/shop/{started.id}",
        files=[{"path": path, "size_bytes": 7, "sha256": "0" * 64} for path in ("a/магазин", "link", "gone")],
    )
    site.catalog.put(record)
    folder = site.folder / "store" / str(record.location)
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "магазин").write_text("content")
    (folder / "secret").write_text("not in its list")
    (folder / "link").symlink_to(site.folder / "pgbackstop.yaml")
    place = f"/backups/{record.id}/file?name="
    assert f'href="{place}a/' in ada.get(f"/backups/{record.id}").text
    assert f'href="{place}a/' not in otto.get(f"/backups/{record.id}").text
    sent = ada.get(place + quote("a/магазин"))
    assert (sent.status, sent.text, sent.headers["Content-Length"]) == (200, "content", "7")
    assert sent.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%D0%BC")
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert otto.get(place + quote("a/магазин")).status == 403
    for name in (
        "secret",
        "link",
        "gone",
        "",
        ".",
        "..",
        "a",
        "../../../../pgbackstop.yaml",
        "/etc/passwd",
        "a%00",
    ):
        refused = ada.get(place + (name if "%" in name else quote(name)))
        assert (refused.status, "has no file" in refused.text) == (404, True), name
    assert ("ada", "download", "asked for") in deeds(site)


def test_files_that_are_listed_beside_them_are_counted(site: Site) -> None:
    beside = FileList(count=20_001, sha256="0" * 64)
    made = failed("shop").evolve(status=Status.SUCCEEDED, reason=None, size_bytes=7, file_list=beside)
    site.catalog.put(made)
    page = site.visit("vera").get(f"/backups/{made.id}").text
    assert "20,001, listed in <code><bdi>SHA256SUMS</bdi></code>" in page
    site.catalog.put(made.evolve(expired_at=utc_now()))
    page = site.visit("vera").get(f"/backups/{made.id}").text
    assert "20,001" in page
    assert "SHA256SUMS" not in page


@pytest.mark.integration
def test_a_backup_from_the_button_to_its_record_and_its_proof(site: Site) -> None:
    otto = site.visit("otto")
    assert "there is no good backup yet" in otto.get("/").text
    place = otto.post("/plans/shop/backup").headers["Location"]
    until(lambda: _ended(site.visit("vera"), place), "the backup ends")
    assert "exit code 0" in otto.get(place).text
    record = next(site.catalog.backups("shop"))
    assert record.status is Status.SUCCEEDED
    page = otto.get(f"/backups/{record.id}").text
    assert record.files[0].sha256 in page
    assert record.id in otto.get("/backups?plan=shop&state=available").text
    assert record.id not in otto.get("/backups?plan=shop&state=failed").text
    pinned = otto.ask("POST", f"/backups/{record.id}/pin", {"csrf": otto.csrf(), "note": "<b>4.2"})
    assert pinned.headers["Location"] == f"/backups/{record.id}"
    assert "pinned by otto: &lt;b&gt;4.2" in otto.get(f"/backups/{record.id}").text
    assert otto.post(f"/backups/{record.id}/unpin").status == 303
    assert otto.post(f"/backups/{record.id}/unpin").status == 409
    verified = otto.post(f"/backups/{record.id}/verify").headers["Location"]
    until(lambda: _ended(otto, verified), "the verify ends")
    assert next(site.catalog.proofs("shop")).status is Status.SUCCEEDED
    lines = [json.loads(line) for line in _audit(site).read_text().splitlines()]
    deeds = [(line["user"], line["action"], line["subject"]) for line in lines if line["user"] == "otto"]
    assert deeds[0] == ("otto", "login", "")
    assert ("otto", "backup", "shop") in deeds
    assert ("otto", "verify", record.id) in deeds
    assert stat.S_IMODE(_audit(site).stat().st_mode) == 0o600
    assert "asked for" in site.visit("ada").get("/audit").text


def test_names_and_messages_are_text_and_never_markup(site: Site) -> None:
    record = failed("shop", database=HOSTILE, message=HOSTILE)
    site.catalog.put(record)
    vera = site.visit("vera")
    pages_shown = ("/", "/backups", f"/backups/{record.id}", "/plans")
    for path in (*pages_shown, f"/backups?database={'%3Cscript%3E'}", "/backups?plan=%3Cscript%3E"):
        text = vera.get(path).text
        assert "<script>" not in text, path
        assert "<b>house" not in text, path
        assert not {"\u202e", "\x1b"} & set(text), path
    assert "<bdi>" in vera.get("/backups").text


@pytest.mark.integration
def test_a_cancelled_backup_is_on_record_and_says_by_whom(site: Site, database: Database) -> None:
    otto = site.visit("otto")
    with database.connect() as holder, holder.transaction():
        # pg_dump waits for the lock, so the run goes on until it is cancelled.
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        place = otto.post("/plans/shop/backup").headers["Location"]
        until(lambda: list(site.catalog.backups("shop")), "the run is on record")
        again = otto.post("/plans/shop/backup")
        assert (again.status, "runs already, started by otto" in again.text) == (409, True)
        assert site.visit("vera").post(f"{place}/cancel").status == 403
        assert site.visit("ada").post(f"{place}/cancel").status == 303
        until(lambda: _ended(otto, place), "the backup ends")
    page = otto.get(place).text
    assert "Cancelled by</dt><dd><bdi>ada" in page
    assert ">cancelled</span>" in page
    assert "Ended by SIGTERM" in page
    record = next(site.catalog.backups("shop"))
    assert (record.status, record.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED), record.message


def test_pages_of_many_backups_have_each_once(site: Site) -> None:
    made = [failed("shop") for _ in range(120)]
    for record in made:
        site.catalog.put(record)
    vera, path, seen = site.visit("vera"), "/backups?plan=shop&state=failed", list[str]()
    while path:
        text = vera.get(path).text
        seen += re.findall(r'href="/backups/([^"?]+)"', text)
        older = re.search(r'href="(/backups\?[^"]+)" rel="next"', text)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == sorted((record.id for record in made), reverse=True)


def test_a_catalog_that_cannot_be_read_is_told_and_the_console_stays(site: Site) -> None:
    record = failed("shop")
    site.catalog.put(record)
    ada = site.visit("ada")
    own = (f"/backups/{record.id}", "/plans/shop", "/plans/shop/retention", "/servers/main/recover")
    of_backups = ("/", "/backups", "/backups?plan=shop", *own)
    root = site.folder / "store" / "catalog"
    away = root.rename(root.with_name("away"))
    for path in (*of_backups, "/restores", "/audit"):
        answer = ada.get(path)
        assert (answer.status, "The catalog is not there" in answer.text) == (503, True), path
    for path in ("/plans", "/activity"):
        assert ada.get(path).status == 200, "it is not of the catalog"
    away.rename(root)
    away = (root / "backups").rename(root / "away")
    (root / "backups").symlink_to("not-mounted")
    for path in of_backups:
        answer = ada.get(path)
        assert (answer.status, "The catalog cannot be read" in answer.text) == (503, True), path
    (root / "backups").unlink()
    away.rename(root / "backups")
    assert "failed" in ada.get("/").text


def _ended(visit: Visit, place: str) -> bool:
    return "hx-get" not in visit.get(place).text


def _audit(site: Site) -> Path:
    return site.folder / "store" / "catalog" / "state" / "console-audit.jsonl"


def test_retention_is_shown_with_its_reasons_before_it_happens(site: Site) -> None:
    for day in range(60):
        ended = utc_now() - day * factories.DAY
        # One without files in its place would count for nothing.
        site.catalog.put(factories.backup(day, ended, plan="shop", location=None, size_bytes=10**6))
    command = ("-m", "pgbackstop_runner.main", "--config", str(site.folder / "pgbackstop.yaml"))
    said = subprocess.run(
        [sys.executable, *command, "expire", "shop", "--dry-run", "--json"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    vera, path, seen = site.visit("vera"), "/plans/shop/retention", list[tuple[str, str]]()
    while path:
        text = vera.get(path).text
        seen += re.findall(r'href="/backups/([^"?]+)".*?>(kept|goes)</span>', text)
        assert "7 stay, 53 go, and free 53.0 MB" in text, re.search("As retention.*", text)
        older = re.search(r'href="(/plans/shop/retention\?[^"]+)" rel="next"', text)
        path = older[1] if older else ""
    assert seen == [(each["id"], "kept" if each["kept"] else "goes") for each in json.loads(said)]
    assert len(seen) == 60
    assert "/plans/shop/retention" in vera.get("/backups?plan=shop").text
    assert vera.get("/plans/nothing/retention").status == 404
    assert all(record.expired_at is None for record in site.catalog.backups("shop"))
