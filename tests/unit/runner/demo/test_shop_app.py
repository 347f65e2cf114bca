"""The shop's application: closed when it was told so, and deaf to pages of other sites and to strangers."""

import psycopg
import pytest
from flask.testing import FlaskClient

from pgbackstop_runner.demo import shop_app

HERE = "http://127.0.0.1:8000"


def no_server() -> psycopg.Connection:
    # Port 1 is a real refusal: nobody listens there.
    return psycopg.connect(host="127.0.0.1", port=1, connect_timeout=3)


def client_of(guard: shop_app.Guard) -> FlaskClient:
    return shop_app.application(shop_app.Store(no_server), guard).test_client()


@pytest.fixture
def client() -> FlaskClient:
    return client_of(shop_app.Guard())


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


def test_a_name_of_its_own_is_heard_and_no_other() -> None:
    client = client_of(shop_app.Guard(hosts=frozenset({"demo-shop"})))
    assert client.get("/health", base_url="http://demo-shop:8000").status_code == 503
    for other in (HERE, "http://demo-shop.elsewhere.example:8000"):
        assert client.get("/health", base_url=other).status_code == 403


@pytest.mark.parametrize(
    "shown", [None, "Bearer ", "Bearer other", "Basic t0ken", "t0ken", "Bearer t\u00f6ken"]
)
def test_maintenance_is_for_who_has_the_token(shown: str | None) -> None:
    client = client_of(shop_app.Guard(token="t0ken"))
    headers = {} if shown is None else {"Authorization": shown}
    assert client.post("/maintenance/stop", base_url=HERE, headers=headers).status_code == 401
    assert client.get("/health", base_url=HERE).get_json()["status"] == "no database"


def test_the_token_opens_maintenance_and_does_not_excuse_another_site() -> None:
    client = client_of(shop_app.Guard(token="t0ken"))
    token = {"Authorization": "Bearer t0ken"}
    elsewhere = token | {"Origin": "http://elsewhere.example"}
    assert client.post("/maintenance/stop", base_url=HERE, headers=elsewhere).status_code == 403
    assert client.post("/maintenance/stop", base_url=HERE, headers=token).get_json() == {"status": "stopped"}
