"""Restores by the API: first what one would do, then it itself, and the way back."""

import json

import pytest

from tests.integration.console.conftest import Site
from tests.integration.console.program import token
from tests.support.databases import Database


@pytest.mark.integration
def test_a_restore_from_its_plan_to_its_way_back(site: Site, database: Database) -> None:
    viewer, operator = token(site, "watch", "viewer"), token(site, "deploy", "operator")
    admin = token(site, "all", "admin")
    made = json.loads(operator.ask("POST", "/backups", {"plan": "shop", "wait": True}).text)
    place = f"/backups/{made['backups'][0]['id']}"

    beside = json.loads(viewer.ask("POST", f"{place}/restore/plan", {"into": f"{database.name}_x"}).text)
    assert beside["confirm"] == ""
    assert f"the new database {database.name}_x" in str(beside["lines"])
    refused = viewer.ask("POST", f"{place}/restore/plan", {"into": database.name})
    assert (refused.status, "already" in json.loads(refused.text)["detail"]) == (409, True), refused
    unseen = operator.ask("POST", f"{place}/restore", {"into": f"{database.name}_y"})
    assert (unseen.status, "seen the plan" in json.loads(unseen.text)["detail"]) == (409, True)

    before = database.rows()
    database.execute("DELETE FROM orders")
    told = json.loads(admin.ask("POST", f"{place}/replace/plan", {}).text)
    assert told["confirm"] == database.name
    assert admin.ask("POST", f"{place}/replace", {"confirm": "another"}).status == 400
    done = admin.ask("POST", f"{place}/replace", {"confirm": database.name, "wait": True})
    assert done.status == 200, done
    restore = json.loads(done.text)["restore"]
    assert (restore["status"], restore["operator"]) == ("succeeded", "token all in the console")
    assert "swap" in [each["name"] for each in restore["steps"]]
    assert database.rows() == before
    assert [each["id"] for each in viewer.get("/restores")["restores"]] == [restore["id"]]
    assert viewer.get(f"/restores/{restore['id']}")["restore"] == restore

    again = admin.ask("POST", f"{place}/replace", {"confirm": database.name})
    assert again.status == 409, "its plan was another"
    way = f"/restores/{restore['id']}"
    assert admin.ask("POST", f"{way}/undo", {"confirm": "another"}).status == 400
    assert admin.ask("POST", f"{way}/undo", {"confirm": database.name, "wait": True}).status == 200
    assert database.row_counts()["orders"] == 0, "the old one is back"
    assert admin.ask("POST", f"{way}/undo", {"confirm": database.name}).status == 409
    assert admin.ask("POST", f"{way}/drop", {"confirm": database.name}).status == 409
    Database(server=database.server, name=viewer.get(way)["restore"]["undone_database"]).drop()
