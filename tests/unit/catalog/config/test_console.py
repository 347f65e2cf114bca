"""Where the console may listen, and who may log in."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pgbackstop_catalog.config.console import Console, User
from pgbackstop_catalog.config.oidc import Groups, Oidc

HASH = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"


@pytest.mark.parametrize("listen", ["127.0.0.1:9854", "[::1]:443", "localhost:9854"])
def test_it_listens_on_this_host(listen: str) -> None:
    assert f"http://{listen}" in Console(listen=listen).origins


def test_the_port_that_browsers_leave_out_may_be_left_out() -> None:
    assert {"http://[::1]", "http://[::1]:80", "http://localhost"} <= Console(listen="[::1]:80").origins
    tls = Console(
        listen="192.0.2.1:443",
        web_config_file=Path("/etc/pgbackstop/console-web.yml"),
        public_url="https://backup.example:443/pgbackstop",
    )
    assert {"https://192.0.2.1", "https://backup.example"} <= tls.origins
    assert "http://127.0.0.1" not in Console(listen="127.0.0.1:443").origins


@pytest.mark.parametrize("listen", ["0.0.0.0:9854", "[::]:9854", "192.0.2.1:80", "backup.example.com:80"])
def test_beyond_this_host_it_needs_a_proxy_with_tls(listen: str) -> None:
    with pytest.raises(ValidationError, match="in clear"):
        Console(listen=listen)
    with pytest.raises(ValidationError, match="in clear"):
        Console(listen=listen, public_url="http://backup.example.com")
    behind = Console(listen=listen, public_url="https://Backup.example.com")
    assert behind.origins == {"https://backup.example.com"}
    assert behind.is_https


def test_with_tls_of_its_own_it_listens_anywhere_and_knows_its_names() -> None:
    file = Path("/etc/pgbackstop/console-web.yml")
    console = Console(listen="192.0.2.1:9854", web_config_file=file)
    assert console.is_https
    assert console.origins == {"https://192.0.2.1:9854"}
    here = Console(web_config_file=file)
    assert here.origins == {"https://127.0.0.1:9854", "https://localhost:9854"}
    named = Console(listen="0.0.0.0:9854", web_config_file=file, public_url="https://backup.example:9854")
    assert named.origins == {"https://backup.example:9854"}
    with pytest.raises(ValidationError, match="is no address of a browser; name one: public_url"):
        Console(listen="[::]:9854", web_config_file=file)
    with pytest.raises(ValidationError, match="serves https; write https"):
        Console(web_config_file=file, public_url="http://backup.example")


def test_in_a_container_whose_port_is_published_on_its_host_only() -> None:
    console = Console(listen="0.0.0.0:9854", public_url="http://127.0.0.1:19854")
    assert console.origins == {"http://127.0.0.1:19854", "http://localhost:19854"}
    assert not console.is_https


@pytest.mark.parametrize(
    "listen", ["", "9854", "127.0.0.1", "127.0.0.1:x", "a@127.0.0.1:1", "[::1:1", "h:1/x"]
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError, match="must be an address and a port"):
        Console(listen=listen)


@pytest.mark.parametrize(
    ("url", "path"),
    [("https://h", ""), ("https://h/", ""), ("https://h/a", "/a"), ("http://h:8080/a-b/c.d/", "/a-b/c.d")],
)
def test_a_public_address_may_have_a_path(url: str, path: str) -> None:
    console = Console(public_url=url)
    assert console.path == path
    assert all(origin.count("/") == 2 for origin in console.origins)


@pytest.mark.parametrize("rest", ["//", "/a//b", "/../a", "/{id}", "/a b", "/%41", "/a?b", "/a#b", '/"'])
def test_a_path_that_no_link_could_have_is_refused(rest: str) -> None:
    with pytest.raises(ValidationError):
        Console(public_url=f"https://h{rest}")


def test_a_user_has_a_bcrypt_hash_that_nobody_is_shown() -> None:
    with pytest.raises(ValidationError, match="pgbackstop user add"):
        User(password_hash="secret")
    user = User(password_hash=HASH)
    assert HASH not in repr(user) + user.model_dump_json()


def provider(**changes: Any) -> Oidc:
    settings = {"issuer": "https://id.example", "client_id": "pgbackstop", "roles": {"viewer": ["staff"]}}
    return Oidc.model_validate(settings | changes)


def test_people_are_sent_back_to_where_the_console_is() -> None:
    path = "/login/oidc/callback"
    assert Console(oidc=provider()).redirect_uri == f"http://127.0.0.1:9854{path}"
    file = Path("/etc/pgbackstop/console-web.yml")
    tls = Console(listen="192.0.2.1:9854", web_config_file=file, oidc=provider())
    assert tls.redirect_uri == f"https://192.0.2.1:9854{path}"
    for url in ("https://backup.example/ops", "https://backup.example/ops/"):
        assert Console(public_url=url, oidc=provider()).redirect_uri == f"https://backup.example/ops{path}"
    told = f"http://localhost:9854/ops{path}"
    behind = Console(public_url="https://backup.example/ops", oidc=provider(redirect_uri=told))
    assert behind.redirect_uri == told
    assert behind.is_served
    assert not Console().is_served


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/login/oidc/callback",
        "https://127.0.0.1:9854/login/oidc/callback",
        "http://127.0.0.1:9854/callback",
        "http://127.0.0.1:9854/login/oidc/callback?next=x",
    ],
)
def test_they_are_sent_back_to_nobody_else(uri: str) -> None:
    with pytest.raises(ValidationError, match="leads not to this console"):
        Console(oidc=provider(redirect_uri=uri))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": "http://id.example"}, "must be https"),
        ({"issuer": "https://id.example?x"}, "must be https, with neither"),
        ({"scopes": ["profile"]}, "must have openid"),
        ({"scopes": ["openid", "a b"]}, "should match pattern"),
        ({"roles": {"root": ["x"]}}, "Extra inputs"),
        ({"client_secret": "x"}, "Extra inputs"),
    ],
)
def test_a_provider_that_cannot_be_trusted_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        provider(**changes)
    assert provider(issuer="http://[::1]:8080/realms/x").issuer


def test_the_highest_role_of_all_groups_counts() -> None:
    roles = Groups(viewer=("staff",), operator=("ops",), admin=("dba",))
    assert roles.role_of(["x", "staff", "dba"]) == "admin"
    assert roles.role_of(["ops", "staff"]) == "operator"
    assert roles.role_of(["staff"]) == "viewer"
    assert roles.role_of([]) is None
