"""The provider: what it says of itself, its keys, and what it gives for a code."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote_plus, urlsplit

from pydantic import ValidationError

from pgbackstop_catalog.config import oidc
from pgbackstop_catalog.config.oidc import Oidc
from pgbackstop_catalog.config.types import HttpAddress
from pgbackstop_runner.console.oidc import fetch, refusal
from pgbackstop_runner.console.oidc.refusal import NoEntry
from pgbackstop_runner.storage import secret_files

if TYPE_CHECKING:
    from joserfc import jwk

V = TypeVar("V")

_FRESH: Final = 3600.0
# Whoever knocks again and again makes no more requests to the provider than these.
_PAUSE: Final = 10.0


class Metadata(fetch.Outside):
    """Its configuration document, as far as it counts here: OpenID Connect Discovery 1.0, 3."""

    issuer: str
    authorization_endpoint: HttpAddress
    token_endpoint: HttpAddress
    jwks_uri: HttpAddress
    userinfo_endpoint: HttpAddress | None = None
    end_session_endpoint: HttpAddress | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All to which we, or people, are sent."""
        named = (self.userinfo_endpoint, self.end_session_endpoint)
        return (self.authorization_endpoint, self.token_endpoint, self.jwks_uri, *filter(None, named))


class Tokens(fetch.Outside):
    """What it gives for a code."""

    id_token: str
    access_token: str = ""


@dataclass
class _Kept(Generic[V]):
    """What was fetched, for an hour, or why it was not, for a moment. One at a time fetches."""

    get: Callable[[], Awaitable[V]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _value: V | None = None
    _failure: NoEntry | None = None
    _at: float = 0.0

    async def value(self, *, anew: bool = False) -> V:
        """The value; ``anew`` also where it is fresh, but for one of this moment. Raises NoEntry."""
        async with self._turn:
            age = time.monotonic() - self._at
            if self._value is not None and age < (_PAUSE if anew else _FRESH):
                return self._value
            if self._failure is not None and age < _PAUSE:
                raise self._failure
            try:
                self._value, self._failure = await self.get(), None
            except NoEntry as error:
                self._value, self._failure = None, error
                raise
            finally:
                self._at = time.monotonic()
            return self._value


@dataclass
class Provider:
    """One provider by its settings."""

    settings: Oidc

    def __post_init__(self) -> None:
        self._metadata, self._keys = _Kept(self._discovered), _Kept(self._published)

    async def metadata(self) -> Metadata:
        """What it says of itself. Raises NoEntry."""
        return await self._metadata.value()

    async def keys(self, *, anew: bool = False) -> jwk.KeySet:
        """Its keys; ``anew`` when a token is signed by none of them. Raises NoEntry."""
        return await self._keys.value(anew=anew)

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """The tokens of a sign-in. Raises NoEntry, ConfigError where the client's secret cannot be read."""
        metadata = await self.metadata()
        headers, secret = self._authentication(metadata)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            **secret,
        }
        answer = await self._ask(metadata.token_endpoint, form=form, headers=headers)
        if answer.status != 200:
            raise NoEntry(f"It did not accept the sign-in: {_reason(answer)}.")
        try:
            return Tokens.model_validate(answer.document())
        except ValidationError:
            raise NoEntry("It gave no ID token.") from None

    async def userinfo(self, tokens: Tokens) -> dict[str, Any]:
        """The claims that it tells apart from the token; none where it tells none. Raises NoEntry."""
        metadata = await self.metadata()
        if metadata.userinfo_endpoint is None or not tokens.access_token.isprintable():
            return {}
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        answer = await self._ask(metadata.userinfo_endpoint, headers=headers)
        return answer.document() if answer.status == 200 else {}

    def _authentication(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and fields of the form that say which client asks."""
        settings = self.settings
        if settings.client_secret_file is None:
            return {}, {"client_id": settings.client_id}
        secret = secret_files.first_line(settings.client_secret_file)
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are encoded as in a form before they are joined.
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
        return {}, {"client_id": settings.client_id, "client_secret": secret}

    async def _discovered(self) -> Metadata:
        issuer = self.settings.issuer
        answer = await self._ask(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if answer.status != 200:
            raise NoEntry(f"Its configuration document is not there: it answered {answer.status}.")
        try:
            found = Metadata.model_validate(answer.document())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise NoEntry(f"Its configuration document has no usable {first['loc'][0]}.") from None
        if found.issuer != issuer:
            named = refusal.quoted(found.issuer)
            raise NoEntry(f"It calls itself {named}, and the configuration calls it {issuer}.")
        if unsafe := [each for each in found.addresses if not self._may_ask(each)]:
            raise NoEntry(f"It would have us send secrets in clear, to {urlsplit(unsafe[0]).netloc}.")
        return found

    def _may_ask(self, address: str) -> bool:
        is_here = oidc.is_local(urlsplit(self.settings.issuer).hostname or "")
        return address.startswith("https://") or (is_here and oidc.is_safe(address))

    async def _published(self) -> jwk.KeySet:
        from pgbackstop_runner.console.oidc import id_token  # noqa: PLC0415 - 10 MB, for who has a provider

        answer = await self._ask((await self.metadata()).jwks_uri)
        return id_token.key_set(answer.document())

    async def _ask(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> fetch.Answer:
        return await fetch.ask(url, ca_file=self.settings.ca_file, form=form, headers=headers)


def _reason(answer: fetch.Answer) -> str:
    try:
        words = refusal.of_error(answer.document())
    except NoEntry:
        words = ""
    return words or f"it answered {answer.status}"
