"""Passwords, the rate limit, and what an address gives away."""

import asyncio

import bcrypt
import pytest

from pgbackstop_catalog.config.web_config import RateLimit, TlsConfig, WebConfig
from pgbackstop_exporter.web.guard import Bucket
from pgbackstop_exporter.web.server import exposure
from pgbackstop_exporter.web.users import MOST_WAITING, TooManyChecks, Users
from tests.unit.exporter.running import in_loop

LONG = "x" * 100


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


HASHES = {"alice": hashed("wonder"), "bob": hashed(LONG).replace("$2b$", "$2y$", 1)}


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that were really compared with."""
    seen: list[bytes] = []
    check = bcrypt.checkpw

    def count(password: bytes, stored: bytes) -> bool:
        seen.append(stored)
        return check(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", count)
    return seen


@in_loop
async def test_a_right_password_is_computed_once(checks: list[bytes]) -> None:
    users = Users(HASHES)
    assert [await users.admit("alice", "wonder") for _ in range(3)] == [True] * 3
    assert len(checks) == 1
    assert not await users.admit("alice", "wander")
    assert await users.admit("alice", "wonder")
    assert len(checks) == 2


@in_loop
async def test_an_unknown_name_costs_what_a_known_one_does_and_is_never_let_in(checks: list[bytes]) -> None:
    users = Users(HASHES)
    assert not await users.admit("carol", "wonder")
    assert not await users.admit("carol", LONG)
    assert not await users.admit("", "wonder")
    assert len(checks) == 3
    assert checks[0] == checks[1]
    assert {each.decode() for each in checks} <= set(HASHES.values())


@in_loop
async def test_a_password_longer_than_bcrypt_looks_at() -> None:
    users = Users(HASHES)
    assert await users.admit("bob", LONG)
    assert not await users.admit("bob", "y" + LONG)


@in_loop
async def test_names_and_passwords_may_be_anything() -> None:
    users = Users({"äöü": hashed("a:b\0c")})
    assert await users.admit("äöü", "a:b\0c")


@in_loop
async def test_only_so_many_wait_for_bcrypt(checks: list[bytes]) -> None:
    users = Users(HASHES)
    answers = await asyncio.gather(
        *(users.admit("alice", str(number)) for number in range(MOST_WAITING + 5)), return_exceptions=True
    )
    assert [type(each) for each in answers].count(TooManyChecks) == 5
    assert len(checks) == MOST_WAITING
    assert await users.admit("alice", "wonder")


def test_no_users_is_false() -> None:
    assert not Users({})
    assert Users(HASHES)


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(RateLimit(interval=10.0, burst=2))
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(9.0)
    assert bucket.take(10.0)
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]
    assert all(Bucket(RateLimit()).take(0.0) for _ in range(100))


PAIR = TlsConfig(cert="c", key="k")
ASKING = TlsConfig(cert="c", key="k", client_auth_type="RequireAndVerifyClientCert")


@pytest.mark.parametrize(
    ("config", "host", "problem"),
    [
        (WebConfig(), "127.0.0.1", ""),
        (WebConfig(), "::1", ""),
        (WebConfig(), "0.0.0.0", "everybody"),  # noqa: S104 - nothing listens there
        (WebConfig(), "fe80::1%eth0", "everybody"),
        (WebConfig(tls_server_config=PAIR), "10.0.0.1", "everybody"),
        (WebConfig(basic_auth_users=HASHES), "10.0.0.1", "unencrypted"),
        (WebConfig(tls_server_config=PAIR, basic_auth_users=HASHES), "10.0.0.1", ""),
        (WebConfig(tls_server_config=ASKING), "::", ""),
    ],
)
def test_what_an_address_gives_away(config: WebConfig, host: str, problem: str) -> None:
    found = exposure(config, host)
    assert problem in found
    assert bool(found) == bool(problem)
