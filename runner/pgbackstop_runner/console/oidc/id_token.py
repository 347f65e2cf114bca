"""The ID token: who signed in, as far as the provider's signature and every claim hold. Pure."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc import errors as jose
from joserfc import jwk, jwt

from pgbackstop_runner.console.oidc.refusal import NoEntry

LEEWAY: Final = 60  # seconds that the clocks of the provider and of this host may differ by
# Signatures by a private key alone. HS256 would take the public key, which anybody has, for a secret.
_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
_PUBLIC: Final = frozenset({"RSA", "EC", "OKP"})


class UnknownKey(NoEntry):
    """It was signed by a key that is not among those; the provider may have changed them."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the token of one sign-in must say."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)


def key_set(document: Mapping[str, Any]) -> jwk.KeySet:
    """The provider's keys that can sign; others are left out. Raises NoEntry where none is left."""
    found = document.get("keys")
    keys = [key for each in (found if isinstance(found, list) else ()) if (key := _key(each)) is not None]
    if not keys:
        raise NoEntry("It publishes no key that could have signed.")
    return jwk.KeySet(keys)


def _key(document: Any) -> Any:
    if not isinstance(document, dict) or document.get("kty") not in _PUBLIC or document.get("use") == "enc":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", jose.SecurityWarning)  # a key that is too short
            return jwk.import_key(document)
    except (jose.JoseError, jose.SecurityWarning, ValueError, TypeError, KeyError):
        return None


def verify(token: str, keys: jwk.KeySet, expected: Expected, *, now: float) -> dict[str, Any]:
    """The claims. Raises UnknownKey, NoEntry saying what does not hold."""
    claims = _signed(token, keys)
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=LEEWAY,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        sub={"essential": True, "allow_blank": False},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except jose.ExpiredTokenError:
        raise NoEntry(
            f"Its token has expired, or the clock of this host is more than {LEEWAY} s ahead of its.",
            status=403,
        ) from None
    except (jose.JoseError, ValueError, OverflowError) as error:
        raise NoEntry(_wrong(error)) from None
    _require_party(claims, expected)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise NoEntry("Its token is of another sign-in (nonce).")
    return claims


def _signed(token: str, keys: jwk.KeySet) -> dict[str, Any]:
    try:
        return dict(jwt.decode(token, keys, algorithms=_ALGORITHMS).claims)
    except jose.InvalidKeyIdError:
        raise UnknownKey("Its token is signed by a key that it does not publish.") from None
    except jose.UnsupportedAlgorithmError:
        raise NoEntry("Its token is not signed in a way that only it could have done (alg).") from None
    except jose.BadSignatureError:
        raise UnknownKey("The signature of its token is wrong.") from None
    except (jose.JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise NoEntry("Its token cannot be read.") from None


def _wrong(error: Exception) -> str:
    claim = error.claim if isinstance(error, jose.ClaimError) else ""
    said = {
        "iss": "is of another issuer",
        "aud": "is for another client",
        "iat": f"is of the future: the clock of this host is more than {LEEWAY} s behind its",
        "nbf": f"is not valid yet: the clock of this host may be more than {LEEWAY} s behind its",
    }
    words = said.get(claim, "lacks what it must say, or says it wrongly")
    return f"Its token {words} ({claim or 'claims'})."


def _require_party(claims: Mapping[str, Any], expected: Expected) -> None:
    """Raises NoEntry where it was made for another than us: OpenID Connect Core 3.1.3.7, 4 and 5."""
    audience, party = claims["aud"], claims.get("azp")
    is_shared = isinstance(audience, list) and len(audience) > 1
    if party != expected.client_id and (party is not None or is_shared):
        raise NoEntry("Its token was made for another client (azp).")
