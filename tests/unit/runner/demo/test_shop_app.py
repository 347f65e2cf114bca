"""The shop's application: closed when it was told so, and deaf to pages of other sites."""

import psycopg
import pytest
from flask.testing import FlaskClient

from pgbackstop_runner.demo import shop_app

HERE = "http://127.0.0.1:8000"


def no_server() -> psycopg.Connection:
    # Port 1 is a real refusal: nobody listens there.
    return psycopg.connect(host="127.0.0.1", port=1, connect_timeout=3)


@pytest.fixture
def client() -> FlaskClient:
    return shop_app.application(shop_app.Store(no_server)).test_client()


def test_a_database_that_is_away_is_said_to_people_and_to_checks(client: FlaskClient) -> None:
    answer = client.get("/health", base_url=HERE)
    assert answer.status_code == 503
    assert answer.get_json()["status"] == "no database"
    assert "refused" in answer.get_json()["problem"]
    page = client.get("/", base_url=HERE, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 503
    assert "looks again every five seconds" in page.text


def test_stopped_it_leaves_the_database_alone_until_it_is_started(client: FlaskClient) -> None:
    assert client.post("/maintenance/stop", base_url=HERE).get_json() == {"status": "stopped"}
    assert client.get("/health", base_url=HERE).get_json()["status"] == "stopped"
    assert client.post("/orders", base_url=HERE).status_code == 503
    assert client.post("/maintenance/start", base_url=HERE).get_json() == {"status": "started"}
    assert client.get("/health", base_url=HERE).get_json()["status"] == "no database"


@pytest.mark.parametrize(
    ("base", "origin"),
    [(HERE, "http://elsewhere.example"), (HERE, "null"), ("http://elsewhere.example", None)],
)
def test_other_sites_are_refused(client: FlaskClient, base: str, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    assert client.post("/maintenance/stop", base_url=base, headers=headers).status_code == 403
    assert client.get("/health", base_url=HERE).get_json()["status"] == "no database"


def test_its_own_page_may_order(client: FlaskClient) -> None:
    answer = client.post("/orders", base_url=HERE, headers={"Origin": HERE}, data={"product": "1"})
    assert answer.get_json()["status"] == "no database"
