"""Sign-in to the console by an OpenID Connect provider: which one, and which of its groups may do what."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from pgbackstop_catalog.config.types import HttpAddress
from pgbackstop_catalog.model import Model

Role = Literal["viewer", "operator", "admin"]
CALLBACK: Final = "/login/oidc/callback"


def is_local(host: str) -> bool:
    """Whether it is this host by its loopback interface."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(address: str) -> bool:
    """Whether what is sent there goes by TLS, or stays on this host."""
    parts = urlsplit(address)
    return parts.scheme == "https" or is_local(parts.hostname or "")


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    if not is_safe(value) or parts.query or parts.fragment:
        msg = "must be https, with neither ? nor #; http is for a provider on this host"
        raise ValueError(msg)
    return value


def _scopes(value: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in value:
        msg = "must have openid among them: without it the provider says nothing about who signed in"
        raise ValueError(msg)
    return value


Group = Annotated[str, Field(min_length=1, max_length=256)]
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]


class Groups(Model):
    """The provider's groups whose people have a role; who is in several has the highest."""

    viewer: tuple[Group, ...] = Field(default=(), description="groups whose people are viewers")
    operator: tuple[Group, ...] = Field(default=(), description="groups whose people are operators")
    admin: tuple[Group, ...] = Field(default=(), description="groups whose people are admins")

    def role_of(self, groups: Collection[str]) -> Role | None:
        """The highest role that membership gives; None where it gives none."""
        held = set(groups)
        if held & set(self.admin):
            return "admin"
        if held & set(self.operator):
            return "operator"
        return "viewer" if held & set(self.viewer) else None


class Oidc(Model):
    """An OpenID Connect provider that people sign in to the console by; beside it, users stay."""

    name: str = Field(
        default="single sign-on",
        min_length=1,
        max_length=40,
        description="what it is called on the login page and in the audit",
    )
    issuer: Annotated[HttpAddress, AfterValidator(_issuer)] = Field(
        description="its address, letter by letter as the provider's own configuration document says it"
    )
    client_id: str = Field(min_length=1, max_length=256, description="the console's id at the provider")
    client_secret_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, whose first line is the client's secret; a public client has none",
    )
    redirect_uri: HttpAddress | None = Field(
        default=None,
        description="where the provider sends people back, as it is registered there; left out: that of "
        f"public_url, else of listen, with {CALLBACK}",
    )
    scopes: Annotated[tuple[Scope, ...], AfterValidator(_scopes)] = Field(
        default=("openid", "profile"), description="what the provider is asked for"
    )
    user_claim: str = Field(
        default="preferred_username", min_length=1, description="the claim with a person's name"
    )
    groups_claim: str = Field(
        default="groups",
        min_length=1,
        description="the claim with a person's groups; dots lead into it, as in realm_access.roles",
    )
    roles: Groups = Field(description="which groups have which role; who is in none of them may not enter")
    ca_file: Path | None = Field(
        default=None,
        description="certificates, in PEM, of authorities to trust besides the machine's own",
    )
