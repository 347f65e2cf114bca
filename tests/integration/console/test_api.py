"""The API over HTTP: who may ask what, and what is refused and how."""

import json
from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.oidc import Role
from pgbackstop_runner.console.api import document
from pgbackstop_runner.console.api.endpoint import BASE, Endpoint
from pgbackstop_runner.console.api.table import ENDPOINTS
from pgbackstop_runner.console.guard import RANKS
from tests.fuzz import examples
from tests.integration.console.conftest import Site
from tests.integration.console.program import HOUR, Program, token
from tests.integration.console.test_console import HOSTILE


def path_of(endpoint: Endpoint) -> str:
    """With an id that nothing has, so that what is let in ends in 404 and starts nothing."""
    return endpoint.path.replace("{id}", "nothing")


# Where an empty body says too little.
BODIES: dict[str, object] = {
    "/backups": {"plan": "nothing"},
    "/plans/{id}/expire": {"seen": ""},
    "/backups/{id}/restore": {"into": "new"},
    "/backups/{id}/tables": {"tables": ["t"], "into_schema": "new"},
    "/backups/{id}/lost": {"tables": ["t"]},
    "/servers/{id}/recover": {"into": "/new"},
}


def body_of(endpoint: Endpoint) -> object:
    return BODIES.get(endpoint.path.removesuffix("/plan"), {}) if endpoint.body else None


def test_every_endpoint_is_for_its_roles_and_for_nobody_else(site: Site) -> None:
    programs: dict[Role, Program] = {role: token(site, f"{role}s", role) for role in RANKS}
    ada = site.visit("ada")
    strangers = {
        "nobody": Program(visit=site.visit()),
        "ended": token(site, "ended", "admin", -HOUR),
        "unknown": Program(visit=site.visit(), secret="pgbackstop_unknown"),
        "cookie": Program(visit=ada),
    }
    for each in ENDPOINTS:
        method, path, body = each.method, path_of(each), body_of(each)
        for name, stranger in strangers.items():
            answer = stranger.ask(method, path, body)
            assert answer.status == 401, (each.name, name)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        for role, program in programs.items():
            answer = program.ask(method, path, body)
            is_let_in = RANKS[role] >= RANKS[each.role]
            assert answer.status in ({200, 404} if is_let_in else {403}), (each.name, role, answer)
            assert is_let_in or f"needs the role {each.role}" in json.loads(answer.text)["detail"]
    assert "ended at 2020" in json.loads(strangers["ended"].ask("GET", "/status").text)["detail"]
    assert not list(site.catalog.backups())
    assert "refused: role" in ada.get("/audit").text
    assert site.visit().get(document.PATH).text == document.text()


def test_a_token_is_no_login_and_a_login_is_no_token(site: Site) -> None:
    operator, otto = token(site, "deploy", "operator"), site.visit("otto")
    headers = {"Authorization": f"Bearer {operator.secret}"}
    assert operator.visit.ask("GET", "/", None, **headers).headers["Location"] == "/login"
    form = {"csrf": otto.csrf(), "plan": "shop"}
    assert otto.ask("POST", f"{BASE}/backups", form).status == 401
    assert not list(site.catalog.backups())


def test_other_hosts_and_sites_are_refused(site: Site) -> None:
    operator = token(site, "deploy", "operator")
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert operator.ask("POST", "/backups", {"plan": "shop"}, **headers).status == 403, headers
    assert not list(site.catalog.backups())


def test_what_is_no_request_is_explained(site: Site) -> None:
    operator = token(site, "deploy", "operator")
    json_type = {"Content-Type": "application/json"}
    refused = {
        400: [
            operator.ask("POST", "/backups", {}),
            operator.ask("POST", "/backups", {"plan": "shop", "wait": "yes"}),
            operator.ask("POST", "/backups", {"plan": "shop", "pin": {"note": "a\nb"}}),
            operator.ask("POST", "/backups", {"plan": "shop", "databases": ["a\0b"]}),
            operator.ask("POST", "/backups", {"plan": "shop", "pin": {"until": "2020-01-01T00:00:00Z"}}),
            operator.ask("POST", "/backups", {"plan": "--all"}),
            operator.send("POST", "/backups", "{", json_type),
            operator.ask("GET", "/backups?limit=0"),
            operator.ask("GET", "/backups?limit=1&limit=2"),
            operator.ask("GET", "/backups?status=good"),
            operator.ask("GET", "/backups?after=nothing"),
            operator.ask("GET", "/backups?colour=red"),
            operator.ask("GET", "/status?colour=red"),
        ],
        404: [operator.ask("GET", "/backups?plan=nothing"), operator.ask("GET", "/nothing")],
        405: [operator.ask("DELETE", "/backups")],
        413: [operator.send("POST", "/backups", "x" * 100_000, json_type)],
        415: [operator.send("POST", "/backups", "plan=shop", {"Content-Type": "text/plain"})],
    }
    for status, answers in refused.items():
        assert [each.status for each in answers] == [status] * len(answers), answers
    assert not list(site.catalog.backups())


ODD = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["", "\0", "../..", "%", "%ff", "--all", "shop", HOSTILE, "1e999", "a" * 3000]
)
KNOWN = (
    "plan",
    "status",
    "limit",
    "after",
    "database",
    "wait",
    "pin",
    "databases",
    "into",
    "confirm",
    "tables",
)
NAMES = st.sampled_from(KNOWN) | ODD
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def test_nothing_that_is_sent_is_a_bug(site: Site) -> None:
    """Any parameters, ids and bodies get an answer of the document, and never 500."""
    admin = token(site, "any", "admin")

    @examples.fuzzed
    @given(
        endpoint=st.sampled_from(ENDPOINTS),
        name=ODD,
        query=st.dictionaries(NAMES, ODD, max_size=3),
        body=JSON | st.binary(max_size=50),
        kind=st.sampled_from(["application/json", "text/plain", ""]),
    )
    def sent(endpoint: Endpoint, name: str, query: dict[str, str], body: object, kind: str) -> None:
        path = endpoint.path.replace("{id}", quote(name, safe="") or "nothing")
        asked = "?" + urlencode(query) if query else ""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = admin.send(endpoint.method, path + asked, content, {"Content-Type": kind} if kind else {})
        assert answer.status != 500, answer

    sent()
    assert "the console failed" not in (site.folder / "log").read_text()
