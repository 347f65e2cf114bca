"""A provider that answers as a test tells it to, and as a provider should where it is told nothing."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from joserfc import jwk, jwt

CLIENT = "pgbackstop"


def new_key(kid: str) -> jwk.ECKey:
    return jwk.ECKey.generate_key("P-256", {"kid": kid})


@dataclass(kw_only=True)
class StubProvider:
    """``says`` answers a path; ``claims`` are those of the next token, beside the usual ones."""

    port: int
    key: jwk.ECKey = field(default_factory=lambda: new_key("one"))
    document: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    says: dict[str, Callable[[web.Request], web.StreamResponse]] = field(default_factory=dict)
    nonce: str = ""
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """For the configuration of a console."""
        roles = {"viewer": ["staff"], "admin": ["dba"]}
        return {"name": "House", "issuer": self.issuer, "client_id": CLIENT, "roles": roles, **changes}

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        usual: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": self._discovery,
            "/keys": lambda: {"keys": [self.key.as_dict(private=False)]},
            "/token": lambda: {"id_token": self.token(), "access_token": "access", "token_type": "Bearer"},
            "/me": lambda: {"sub": "42"},
        }
        if request.path in self.says:
            return self.says[request.path](request)
        return web.json_response(usual[request.path]())

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/me",
            "end_session_endpoint": f"{self.issuer}/out",
            **self.document,
        }

    def all_claims(self) -> dict[str, Any]:
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "42",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "preferred_username": "anna",
            "groups": ["staff"],
        }
        return {name: value for name, value in (usual | self.claims).items() if value is not None}

    def token(self) -> str:
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, self.all_claims(), self.key)


def answer(status: int = 200, **document: Any) -> Callable[[web.Request], web.StreamResponse]:
    """Says so."""
    return lambda _request: web.Response(
        status=status, text=json.dumps(document), content_type="application/json"
    )
