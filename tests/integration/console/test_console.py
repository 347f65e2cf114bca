"""The console over HTTP: a backup from the button to its record, its files, and what else is shown."""

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
from tests.integration.console.conftest import Site, Visit, deeds
from tests.integration.daemon.conftest import until
from tests.support import factories
from tests.support.databases import Database

HOSTILE = "\u202e<script>alert(1)</script>'\"&\x1b[31m\u0634\u0631\u0643\u0629"


def failed(plan: str, *, database: str = "", message: str = "") -> Backup:
    return factories.failed(utc_now(), plan=plan, database=database, message=message)


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
