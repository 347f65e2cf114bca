"""The web console: where it listens, and who may do what there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from pgbackstop_catalog.config.oidc import CALLBACK, Oidc, Role, is_local
from pgbackstop_catalog.config.types import Duration, HttpAddress
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records.attempt import Name

_EVERY_ADDRESS: Final = {"0.0.0.0", "::"}  # noqa: S104 - compared only
_PORTS: Final = {"http": 80, "https": 443}
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
_HASH: Final = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}")


def _bcrypt(value: str) -> str:
    if not _HASH.fullmatch(value):
        msg = "is no bcrypt hash; make one with: pgbackstop user add NAME"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    host, port = split(value)
    if not host or not port:
        msg = "must be an address and a port, like 127.0.0.1:9854 or [::1]:9854"
        raise ValueError(msg)
    return value


def split(listen: str) -> tuple[str, int]:
    """Host and port of a listening address; an empty host or port 0 where it is none."""
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:  # a port that is none, or half an IPv6 address
        return "", 0
    return (host, port) if parts.netloc == listen and "@" not in listen else ("", 0)


class User(Model):
    """Somebody who may log in to the console."""

    role: Role = Field(
        default="viewer",
        description="viewer: sees everything; operator: also starts and cancels; admin: also replaces "
        "databases and reads the audit",
    )
    password_hash: Annotated[
        str, AfterValidator(_bcrypt), PlainSerializer(lambda _hash: "(not shown)", when_used="json")
    ] = Field(
        repr=False, description="bcrypt; `pgbackstop user add NAME` asks for the password and prints it"
    )


class Console(Model):
    """The web console, which the daemon serves once somebody may log in."""

    listen: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1:9854",
        description="address and port; beyond this host only with TLS, see web_config_file and public_url",
    )
    web_config_file: Path | None = Field(
        default=None,
        description="TLS of its own: tls_server_config in a web configuration file as the exporter's",
    )
    public_url: HttpAddress | None = Field(
        default=None,
        description="the address in people's browsers, with its path, where a proxy stands in front",
    )
    name: str = Field(
        default="", max_length=60, description="which installation this is, for the title of every page"
    )
    session: Duration = Field(
        default=12 * 3600.0, gt=0, description="after this one must log in again, whatever one does"
    )
    operations_outlive_daemon: bool | None = Field(
        default=None,
        description="whether what was started in the console goes on when the daemon stops, and the next one "
        "follows it; left out: it does, unless process 1 (systemd, a container) started the daemon, which "
        "would kill it: then it is ended in time",
    )
    users: dict[Name, User] = Field(
        default_factory=dict,
        description="who may log in, by name; without any, and without oidc, the console is not served",
    )
    oidc: Oidc | None = Field(default=None, description="single sign-on by an OpenID Connect provider")

    @model_validator(mode="after")
    def _check(self) -> Console:
        url = urlsplit(self.public_url or "")
        if not _PATH.fullmatch(url.path) or url.query or url.fragment:
            msg = (
                "public_url may have a path of letters, digits and . _ ~ - between single slashes, like "
                "https://HOST/pgbackstop, and nothing behind it"
            )
            raise ValueError(msg)
        if self.web_config_file and url.scheme == "http":
            msg = "public_url is http, and web_config_file serves https; write https"
            raise ValueError(msg)
        if self.web_config_file and not self.origins:
            msg = f"listen {self.listen} is no address of a browser; name one: public_url: https://HOST:PORT"
            raise ValueError(msg)
        if not self._is_safe_from_listeners(url):
            msg = (
                f"listen {self.listen} would send passwords through the network in clear; listen on "
                "127.0.0.1, or name a web_config_file with a certificate, or put a proxy with TLS in front "
                "and name its address: public_url: https://HOST"
            )
            raise ValueError(msg)
        if self.oidc and self.oidc.redirect_uri and not self._is_ours(self.oidc.redirect_uri):
            msg = (
                f"oidc.redirect_uri leads not to this console: it must be the origin of public_url, or of "
                f"listen, and then {self.path}{CALLBACK}"
            )
            raise ValueError(msg)
        return self

    def _is_ours(self, address: str) -> bool:
        url = urlsplit(address)
        is_callback = url.path == self.path + CALLBACK and not url.query and not url.fragment
        return is_callback and f"{url.scheme}://{url.netloc.lower()}" in self.origins

    def _is_safe_from_listeners(self, url: SplitResult) -> bool:
        """Whether passwords stay on this host or go by TLS.

        People reach a container at an address of their own host only where public_url says so.
        """
        is_encrypted = self.web_config_file is not None or url.scheme == "https"
        return is_encrypted or is_local(split(self.listen)[0]) or is_local(url.hostname or "")

    @property
    def is_https(self) -> bool:
        """Whether browsers come by TLS."""
        return self.web_config_file is not None or (self.public_url or "").startswith("https://")

    @property
    def path(self) -> str:
        """Of public_url, without its last slash: every address of the console begins with it."""
        return urlsplit(self.public_url or "").path.rstrip("/")

    @property
    def is_served(self) -> bool:
        """Whether anybody may log in."""
        return bool(self.users) or self.oidc is not None

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to."""
        if self.oidc is not None and self.oidc.redirect_uri is not None:
            return self.oidc.redirect_uri
        if self.public_url is not None:
            return self.public_url.rstrip("/") + CALLBACK
        return f"{'https' if self.web_config_file else 'http'}://{self.listen}{CALLBACK}"

    @property
    def origins(self) -> frozenset[str]:
        """The addresses by which a browser may ask, as its ``Origin`` says them."""
        listening = f"https://{self.listen}" if self.web_config_file else f"http://{self.listen}"
        host = split(self.listen)[0]
        is_asked = is_local(host) or (self.web_config_file is not None and host not in _EVERY_ADDRESS)
        return frozenset(_origins(listening if is_asked else "") | _origins(self.public_url or ""))


def _origins(address: str) -> set[str]:
    """The origin of an address, and the same by the name of this host where it is one of it."""
    url = urlsplit(address.lower())
    if not url.hostname:
        return set()
    port, usual = f":{url.port}" if url.port else "", f":{_PORTS[url.scheme]}"
    hosts = {url.netloc} | ({f"localhost{port}"} if is_local(url.hostname) else set())
    # Browsers leave the usual port out.
    return {f"{url.scheme}://{each}" for host in hosts for each in (host, host.removesuffix(usual))}
