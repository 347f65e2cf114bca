"""What the API only shows: each record once, and a catalog that is away."""

from urllib.parse import urlencode

from tests.integration.console.conftest import Site
from tests.integration.console.program import token
from tests.integration.console.test_console import HOSTILE, failed
from tests.integration.daemon.conftest import until


def test_pages_of_many_backups_have_each_once(site: Site) -> None:
    made = [failed("shop", database=HOSTILE, message=HOSTILE) for _ in range(25)]
    for record in made:
        site.catalog.put(record)
    viewer, seen, after = token(site, "watch", "viewer"), list[str](), ""
    query = {"plan": "shop", "status": "failed", "limit": "10"}
    while True:
        page = viewer.get("/backups?" + urlencode({**query, **({"after": after} if after else {})}))
        assert len(page["backups"]) <= 10
        seen += [each["id"] for each in page["backups"]]
        assert all(each["message"] == HOSTILE for each in page["backups"])
        if page["after"] is None:
            break
        after = page["after"]
    assert seen == sorted((record.id for record in made), reverse=True)
    assert viewer.get("/backups?status=available")["backups"] == []
    assert viewer.get(f"/backups/{made[0].id}")["backup"]["message"] == HOSTILE
    assert viewer.ask("GET", f"/backups/{made[0].id[:12]}").status == 404, "half an id is none"


def test_a_catalog_that_cannot_be_read_is_told(site: Site) -> None:
    viewer = token(site, "watch", "viewer")
    root = site.folder / "store" / "catalog"
    away = root.rename(root.with_name("away"))
    try:
        for path in ("/status", "/backups"):
            answer = viewer.ask("GET", path)
            assert (answer.status, "The catalog is not there" in answer.text) == (503, True), path
    finally:
        away.rename(root)
    assert until(lambda: viewer.ask("GET", "/status").status == 200, "the API answers again")
