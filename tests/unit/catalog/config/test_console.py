"""Where the console may listen, and who may log in."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pgbackstop_catalog.config.console import Console, User

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
