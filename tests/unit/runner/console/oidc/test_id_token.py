"""A token counts only where its signature and every claim hold."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk, jwt

from pgbackstop_runner.console.oidc import id_token
from pgbackstop_runner.console.oidc.refusal import NoEntry
from tests.unit.runner.console.oidc.stub_provider import new_key

NOW = 1_800_000_000
KEY = new_key("one")
PUBLISHED = {"keys": [KEY.as_dict(private=False), new_key("other").as_dict(private=False)]}
EXPECTED = id_token.Expected(issuer="https://id.example", client_id="pgbackstop", nonce="n1")
CLAIMS = {
    "iss": "https://id.example",
    "aud": "pgbackstop",
    "sub": "42",
    "iat": NOW - 5,
    "exp": NOW + 300,
    "nonce": "n1",
}

Claims = dict[str, Any]


def signed(claims: Claims, key: Any = KEY, algorithm: str = "ES256") -> str:
    return jwt.encode({"alg": algorithm, "kid": "one"}, claims, key)


def written(*parts: Claims) -> str:
    encoded = (base64.urlsafe_b64encode(json.dumps(each).encode()) for each in parts)
    return ".".join(each.rstrip(b"=").decode() for each in encoded)


def hashed_by_public_key(claims: Claims) -> str:
    """Right for who takes the algorithm from the token, and the public key for a secret."""
    body = written({"alg": "HS256", "kid": "one"}, claims)
    digest = hmac.digest(KEY.as_pem(private=False), body.encode(), "sha256")
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def verified(token: str, now: float = NOW) -> Claims:
    return id_token.verify(token, id_token.key_set(PUBLISHED), EXPECTED, now=now)


def test_what_holds_is_believed_within_a_minute_of_the_clocks() -> None:
    for now in (NOW, NOW + 359, NOW - 64):
        assert verified(signed(CLAIMS), now)["sub"] == "42"
    assert verified(signed(CLAIMS | {"aud": ["pgbackstop", "x"], "azp": "pgbackstop"}))["sub"] == "42"
    assert verified(signed(CLAIMS | {"aud": ["pgbackstop"]}))["sub"] == "42"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"iss": "https://evil.example"}, "of another issuer (iss)"),
        ({"iss": "https://id.example/"}, "of another issuer (iss)"),
        ({"iss": ["https://id.example"]}, "of another issuer (iss)"),
        ({"aud": "other"}, "for another client (aud)"),
        ({"aud": []}, "(aud)"),
        ({"aud": None}, "(aud)"),
        ({"aud": ["pgbackstop", "other"]}, "another client (azp)"),
        ({"azp": "other"}, "another client (azp)"),
        ({"exp": NOW - 60}, "has expired"),
        ({"exp": None}, "(exp)"),
        ({"exp": "never"}, "(exp)"),
        ({"exp": True}, "(exp)"),
        ({"iat": NOW + 61}, "of the future"),
        ({"iat": None}, "(iat)"),
        ({"nbf": NOW + 61}, "not valid yet"),
        ({"nonce": "n0"}, "another sign-in (nonce)"),
        ({"nonce": None}, "another sign-in (nonce)"),
        ({"nonce": 1}, "another sign-in (nonce)"),
        ({"sub": None}, "(sub)"),
        ({"sub": ""}, "(sub)"),
        ({"sub": 42}, "(sub)"),
    ],
)
def test_a_claim_that_does_not_hold_is_named(changes: Claims, sentence: str) -> None:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    with pytest.raises(NoEntry) as refused:
        verified(signed(claims))
    assert sentence in refused.value.problem


@pytest.mark.parametrize(
    ("sign", "sentence"),
    [
        (lambda claims: written({"alg": "none"}, claims) + ".", "(alg)"),
        (lambda claims: written({"alg": "none", "kid": "one"}, claims) + ".", "(alg)"),
        (hashed_by_public_key, "(alg)"),
        (lambda claims: signed(claims, new_key("one")), "signature of its token is wrong"),
        (lambda claims: signed(claims) + "A", "its token"),
        (lambda claims: signed(claims, jwk.RSAKey.generate_key(2048), "RS256"), "its token"),
        (lambda claims: written({"alg": "ES256", "kid": "x"}, claims) + ".AA", "does not publish"),
        (lambda claims: written({"alg": "ES256"}, claims) + ".AA", "does not publish"),
        (
            lambda claims: written({"alg": "ES256", "kid": "one", "crit": ["b64"]}, claims) + ".AA",
            "its token",
        ),
        (lambda _claims: "x.y", "cannot be read"),
        (lambda _claims: "ü", "cannot be read"),
        (lambda _claims: "." * 100_000, "cannot be read"),
        (lambda _claims: "a.b.c.d.e", "cannot be read"),
    ],
)
def test_what_it_did_not_sign_is_no_token_of_the_provider(
    sign: Callable[[Claims], str], sentence: str
) -> None:
    with pytest.raises(NoEntry) as refused:
        verified(sign(CLAIMS))
    assert sentence.lower() in refused.value.problem.lower()


WEAK = {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()}


@pytest.mark.parametrize(
    "keys",
    [
        None,
        [],
        {},
        "x",
        [1, None],
        [{"kty": "oct", "k": "AAAA"}],
        [{"kty": "RSA"}],
        [{"kty": "RSA", "n": 1}],
        [WEAK],
    ],
)
def test_keys_that_prove_nothing_are_left_out(keys: Any) -> None:
    with pytest.raises(NoEntry, match="publishes no key"):
        id_token.key_set({"keys": keys})
    if isinstance(keys, list):
        assert len(list(id_token.key_set({"keys": [*PUBLISHED["keys"], *keys]}))) == 2


def test_a_key_for_encryption_signs_nothing() -> None:
    with pytest.raises(NoEntry, match="publishes no key"):
        id_token.key_set({"keys": [KEY.as_dict(private=False, use="enc")]})
