"""People come from a provider, by its word and in their own browser, and go again."""

import base64
import hashlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, CookieJar, web

from pgbackstop_runner.console.guard import COOKIE
from pgbackstop_runner.console.oidc import provider as oidc_provider
from tests.support import ports
from tests.unit.runner.console.oidc.sign_in import PASSWORD, SignIn, within
from tests.unit.runner.console.oidc.stub_provider import answer, new_key


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


def test_groups_that_are_in_no_token_are_asked_for(tmp_path: Path) -> None:
    async def story(place: SignIn) -> None:
        place.provider.says["/me"] = answer(sub="42", realm={"roles": ["dba"]}, email="other@example.com")
        assert (await place.sign_in()).status == 200
        assert "<bdi>anna (House)</bdi> · <bdi>admin</bdi>" in await (await place.get("/")).text()

    within(tmp_path, story, groups_claim="realm.roles")
