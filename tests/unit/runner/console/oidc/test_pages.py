"""People come from a provider, and a provider that lies, floods or is away lets nobody in."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bcrypt
import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar, web

from pgbackstop_runner.console import audit, login, pages
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import COOKIE
from pgbackstop_runner.console.oidc import pages as oidc_pages
from pgbackstop_runner.console.oidc import provider as oidc_provider
from pgbackstop_runner.console.operations import Operations
from pgbackstop_runner.workspace import Workspace
from tests.support import ports
from tests.unit.runner import places
from tests.unit.runner.console.oidc.stub_provider import StubProvider, answer, new_key

PASSWORD = "correct horse battery"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@dataclass(kw_only=True)
class SignIn:
    """A console, its provider, and a browser."""

    provider: StubProvider
    opened: Workspace
    address: str
    browser: ClientSession

    async def get(self, path: str, browser: ClientSession | None = None) -> ClientResponse:
        got = await (browser or self.browser).get(self.address + path, allow_redirects=False)
        await got.read()
        return got

    async def begin(self) -> dict[str, str]:
        """Go to the provider; what it is asked."""
        sent = await self.get("/login/oidc")
        assert sent.status == 303, await sent.text()
        query = parse_qs(urlsplit(sent.headers["Location"]).query)
        asked = {name: values[0] for name, values in query.items()}
        self.provider.nonce = asked["nonce"]
        return asked

    async def come_back(self, state: str, more: str = "code=one") -> ClientResponse:
        return await self.get(f"/login/oidc/callback?state={state}&{more}")

    async def sign_in(self) -> ClientResponse:
        return await self.come_back((await self.begin())["state"])

    def logins(self) -> list[tuple[str, str, str]]:
        return [(each["user"], each["subject"], each["outcome"]) for each in audit.newest(self.opened)]

    def reload(self, **oidc: Any) -> None:
        """As SIGHUP does."""
        console = self.opened.config.console
        assert console.oidc is not None
        changed = console.evolve(oidc=console.oidc.evolve(**oidc))
        object.__setattr__(self.opened, "config", self.opened.config.evolve(console=changed))


@asynccontextmanager
async def listening(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def attempt(folder: Path, *, path: str = "", **oidc: Any) -> AsyncIterator[SignIn]:
    provider, port = StubProvider(port=ports.free()), ports.free()
    console = {
        "listen": f"127.0.0.1:{port}",
        "users": {"ada": {"role": "admin", "password_hash": HASH}},
        "oidc": provider.settings(**oidc),
        **({"public_url": f"http://127.0.0.1:{port}{path}"} if path else {}),
    }
    opened = places.workspace(folder, console=console)
    desk = Desk(workspace=lambda: opened, operations=Operations(), path=path)
    app = desk.application(login.add, oidc_pages.add, pages.add)
    async with (
        listening(provider.application(), provider.port),
        listening(app, port),
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser,
    ):
        address = f"http://127.0.0.1:{port}{path}"
        yield SignIn(provider=provider, opened=opened, address=address, browser=browser)


def within(folder: Path, story: Callable[[SignIn], Awaitable[None]], **options: Any) -> None:
    async def told() -> None:
        async with attempt(folder, **options) as place:
            await story(place)

    asyncio.run(told())


def test_somebody_comes_from_the_provider_and_is_a_viewer(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        asked = await place.begin()
        assert asked["redirect_uri"] == f"{place.address}/login/oidc/callback"
        assert (asked["tenant"], asked["code_challenge_method"]) == ("1", "S256")
        welcome = await place.come_back(asked["state"])
        assert welcome.status == 200
        assert '<meta http-equiv="refresh" content="0; url=/">' in await welcome.text()
        form = place.provider.forms[-2]  # the keys were asked for after it
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        overview = await (await place.get("/")).text()
        assert "<bdi>anna (House)</bdi> · <bdi>viewer</bdi>" in overview
        assert place.logins() == [("anna (House)", f"42 of {place.provider.issuer}", "done")]

    within(tmp_path, story)


def test_below_a_path_of_a_proxy_the_cookies_and_the_way_back_are_there(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        asked = await place.begin()
        assert asked["redirect_uri"] == f"{place.address}/login/oidc/callback"
        welcome = await place.come_back(asked["state"])
        assert "url=/ops/" in await welcome.text()
        assert welcome.cookies[COOKIE]["path"] == "/ops/"
        assert "anna (House)" in await (await place.get("/")).text()

    within(tmp_path, story, path="/ops")


def test_the_clients_secret_goes_in_a_header_and_never_stands_anywhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret/+ ü\n")

    async def story(place: SignIn) -> None:
        seen = list[str]()

        def token(request: web.Request) -> web.StreamResponse:
            seen.append(request.headers["Authorization"])
            return answer(401, error="invalid_client")(request)

        place.provider.says["/token"] = token
        refused = await place.sign_in()
        assert base64.b64decode(seen[0].partition(" ")[2]) == b"pgbackstop:s3cret%2F%2B+%C3%BC"
        assert "invalid_client" in await refused.text()
        assert "s3cret" not in await refused.text() + str(place.logins())

    within(tmp_path, story, client_secret_file=str(secret))


def test_a_secret_that_cannot_be_read_is_said_with_the_other_way_in(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        refused = await place.sign_in()
        assert refused.status == 503
        assert "cannot be read: No such file" in await refused.text()
        assert "Log in by a name and a password" in await refused.text()

    within(tmp_path, story, client_secret_file=str(tmp_path / "none"))


def test_other_groups_and_another_provider_count_at_once(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        place.provider.claims = {"groups": ["dba", "staff"]}
        await place.sign_in()
        assert "<bdi>anna (House)</bdi> · <bdi>admin</bdi>" in await (await place.get("/")).text()
        place.reload(roles={"operator": ["dba"], "viewer": ["staff"]})
        assert "<bdi>anna (House)</bdi> · <bdi>operator</bdi>" in await (await place.get("/")).text()
        place.reload(roles={"viewer": ["nobody"]})
        assert (await place.get("/")).headers["Location"] == "/login"
        place.reload(roles={"viewer": ["staff"]}, client_id="another")
        assert (await place.get("/")).headers["Location"] == "/login"

    within(tmp_path, story)


def test_who_logs_out_is_led_to_the_providers_own_page(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        await place.sign_in()
        page = await (await place.get("/")).text()
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        left = await place.browser.post(f"{place.address}/logout", data={"csrf": csrf}, allow_redirects=False)
        assert left.headers["Location"] == "/login?left"
        assert (await place.get("/")).status == 303
        assert 'href="/login/oidc/end"' in await (await place.get("/login?left")).text()
        out = urlsplit((await place.get("/login/oidc/end")).headers["Location"])
        assert out.path == "/out"
        back = {"client_id": ["pgbackstop"], "post_logout_redirect_uri": [f"{place.address}/login"]}
        assert parse_qs(out.query) == back

    within(tmp_path, story)


def test_a_state_counts_once_and_in_its_own_browser(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        first = (await place.begin())["state"]
        assert (await place.come_back(first)).status == 200
        second = (await place.begin())["state"]
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as other:
            stolen = await place.get(f"/login/oidc/callback?state={second}&code=one", other)
        for refused in (
            await place.come_back(first),
            stolen,
            await place.come_back("%00x"),
            await place.get("/login/oidc/callback"),
        ):
            assert refused.status == 403
            assert "Begin anew" in await refused.text()
            assert COOKIE not in refused.cookies
        assert (await place.come_back(second)).status == 200

    within(tmp_path, story)


def test_nobody_is_led_elsewhere(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        evil = (
            "next=//evil.example/&redirect_uri=https://evil.example/&post_logout_redirect_uri=//evil.example"
        )
        sent = await place.get(f"/login/oidc?{evil}")
        back = await place.come_back((await place.begin())["state"], f"code=one&{evil}")
        out = await place.get(f"/login/oidc/end?{evil}")
        assert "evil" not in sent.headers["Location"] + await back.text() + out.headers["Location"]

    within(tmp_path, story)


def test_no_more_than_thirty_begin_within_a_minute(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        statuses = [(await place.get("/login/oidc")).status for _ in range(31)]
        assert statuses == [303] * 30 + [429]
        assert place.provider.asked == ["/.well-known/openid-configuration"]

    within(tmp_path, story)


def test_keys_that_were_changed_are_asked_for_and_not_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(place: SignIn) -> None:
        assert (await place.sign_in()).status == 200
        place.provider.key = new_key("two")
        # Just fetched: whoever brings tokens of unknown keys makes no flood of requests of them.
        assert "a key that it does not publish" in await (await place.sign_in()).text()
        assert place.provider.asked.count("/keys") == 1
        monkeypatch.setattr(oidc_provider, "_PAUSE", 0.0)
        assert (await place.sign_in()).status == 200
        assert place.provider.asked.count("/keys") == 2

    within(tmp_path, story)


def test_a_provider_that_is_away_leaves_the_passwords(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        refused = await place.get("/login/oidc")
        assert refused.status == 503
        text = await refused.text()
        assert "House: It cannot be asked: Connect call failed" in text
        assert "Log in by a name and a password of this console, or try again." in text
        entered = {"name": "ada", "password": PASSWORD}
        here = await place.browser.post(f"{place.address}/login", data=entered, allow_redirects=False)
        assert here.headers["Location"] == "/"
        assert "<bdi>ada</bdi> · <bdi>admin</bdi>" in await (await place.get("/")).text()
        assert (await place.get("/login/oidc/end")).status == 503

    within(tmp_path, story, issuer=f"http://127.0.0.1:{ports.free()}")


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


def test_groups_that_are_in_no_token_are_asked_for(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        place.provider.says["/me"] = answer(sub="42", realm={"roles": ["dba"]}, email="other@example.com")
        assert (await place.sign_in()).status == 200
        assert "<bdi>anna (House)</bdi> · <bdi>admin</bdi>" in await (await place.get("/")).text()

    within(tmp_path, story, groups_claim="realm.roles")
