"""A provider that lies, floods or leads elsewhere lets nobody in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pgbackstop_runner.console.guard import COOKIE
from tests.unit.runner.console.oidc.sign_in import SignIn, within
from tests.unit.runner.console.oidc.stub_provider import StubProvider, answer, new_key

Twist = Callable[[StubProvider], Any]
DISCOVERY = "/.well-known/openid-configuration"


def claiming(**claims: Any) -> Twist:
    return lambda it: it.claims.update(claims)


def saying(path: str, said: Callable[[web.Request], web.StreamResponse]) -> Twist:
    return lambda it: it.says.update({path: said})


def raw(body: str, status: int = 200, **headers: str) -> Callable[[web.Request], web.StreamResponse]:
    return lambda _request: web.Response(text=body, status=status, headers=headers)


def of_another_person(it: StubProvider) -> None:
    it.claims["groups"], it.says["/me"] = None, answer(sub="43", groups=["dba"])


TWISTS: list[tuple[str, Twist, str]] = [
    ("an old token", claiming(exp=1), "has expired"),
    ("a key of none", saying("/keys", answer(keys=[new_key("x").as_dict(private=False)])), "not publish"),
    ("too long", saying("/token", raw("x" * 600_000)), "more than 524288 bytes"),
    ("no group", claiming(groups=[]), "names no group."),
    ("groups of others", claiming(groups=["x"]), "names no group that may."),
    ("groups that are none", claiming(groups={"staff": 1}), "names no group."),
    ("endless groups", claiming(groups=["x"] * 2000), "more than 1000 groups"),
    ("claims of another person", of_another_person, "names no group."),
    ("no keys", saying("/keys", answer(keys=[])), "publishes no key"),
    ("secret keys", saying("/keys", answer(keys=[{"kty": "oct", "k": "AA"}, 1, {"kty": "RSA"}])), "no key"),
    (
        "an unknown code",
        saying("/token", answer(400, error="invalid_grant", error_description="<b>\x1b[31m")),
        "invalid_grant: &lt;b&gt;\\u001b[31m",
    ),
    ("no JSON", saying("/token", raw("<html>")), "no JSON object"),
    ("deep JSON", saying("/token", raw("[" * 200_000)), "no JSON object"),
    ("led elsewhere", saying("/keys", raw("", 302, Location="http://evil.example")), "no JSON object"),
    ("no ID token", saying("/token", answer(access_token="x")), "gave no ID token"),
]


@pytest.mark.parametrize(
    ("twist", "sentence"), [each[1:] for each in TWISTS], ids=[each[0] for each in TWISTS]
)
def test_what_a_provider_must_not_say_lets_nobody_in(tmp_path: Path, twist: Twist, sentence: str) -> None:
    async def story(place: SignIn) -> None:
        twist(place.provider)
        refused = await place.sign_in()
        text = await refused.text()
        assert refused.status in {403, 503}
        assert sentence in text
        assert COOKIE not in refused.cookies
        assert 'name="password"' in text
        [(user, _, outcome)] = place.logins()
        assert (user, outcome.partition(":")[0]) == ("(House)", "refused")

    within(tmp_path, story)


DISCOVERIES: list[tuple[str, Twist, str]] = [
    (
        "another issuer",
        lambda it: it.document.update(issuer="https://evil.example"),
        "calls itself https://e",
    ),
    ("in clear", lambda it: it.document.update(token_endpoint="http://192.0.2.1/"), "in clear, to 192.0.2.1"),
    ("no address", lambda it: it.document.update(jwks_uri="javascript:alert(1)"), "no usable jwks_uri"),
    ("not there", saying(DISCOVERY, answer(404)), "it answered 404"),
    ("too large", lambda it: it.document.update(more="x" * 600_000), "more than 524288 bytes"),
]


@pytest.mark.parametrize(
    ("twist", "sentence"), [each[1:] for each in DISCOVERIES], ids=[each[0] for each in DISCOVERIES]
)
def test_nobody_is_sent_to_a_provider_that_says_strange_things_of_itself(
    tmp_path: Path, twist: Twist, sentence: str
) -> None:
    async def story(place: SignIn) -> None:
        twist(place.provider)
        for _ in range(2):  # once more at once: it is not asked again
            refused = await place.get("/login/oidc")
            assert refused.status == 503
            assert sentence in await refused.text()
            assert "Log in by a name and a password of this console" in await refused.text()
        assert place.provider.asked == [DISCOVERY]

    within(tmp_path, story)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("error=access_denied&error_description=no%1b", "It refused: access_denied: no\\u001b."),
        ("code=one&iss=https://evil.example", "another issuer"),
        ("", "has no code"),
    ],
)
def test_what_the_browser_brings_is_checked_too(tmp_path: Path, more: str, sentence: str) -> None:
    async def story(place: SignIn) -> None:
        refused = await place.come_back((await place.begin())["state"], more)
        assert sentence in await refused.text()
        assert "/token" not in place.provider.asked

    within(tmp_path, story)
