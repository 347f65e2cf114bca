"""The web configuration file: TLS, headers, rate limit and users, in the format of Prometheus' exporters.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md

The format is theirs; what a value means is theirs too, except where this module refuses it: a value that
Python's ssl cannot carry out is an error here, never a weaker setting. As in their reader a key without a
value counts as left out, and an empty file asks for nothing.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pgbackstop_catalog import units
from pgbackstop_catalog.config import locate, yaml_file
from pgbackstop_catalog.config.yaml_file import Document, Problem
from pgbackstop_catalog.model import Model

Version = Literal["TLS12", "TLS13"]
_VERIFIED: Final = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")

# Go's names of its secure suites up to TLS 1.2, and OpenSSL's: https://pkg.go.dev/crypto/tls#CipherSuites
CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
# Those of TLS 1.3 may be listed and cannot be chosen, as in Go.
CIPHERS_13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_HASH = re.compile(r"\$2[abxy]?\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")
_REMEDY: Final = "Check its name, owner and mode."
_SENTENCES: Final = {
    "extra_forbidden": "unknown key; remove it, or see the exporter's reference for the keys that exist",
    "model_type": "must be a mapping: write its keys below it, indented",
    "dict_type": "must be a mapping of names to values",
    "list_type": "must be a list: a line with '- ' for each",
    "tuple_type": "must be a list: a line with '- ' for each",
    "string_type": "must be text; put it in quotes",
}


def _one_of(value: str, known: Any, what: str) -> str:
    if value not in known:
        msg = f"unknown {what} {value!r}; write one of {', '.join(known)}"
        raise ValueError(msg)
    return value


def _check_version(value: str) -> str:
    if value in {"TLS10", "TLS11"}:
        msg = f"{value} is broken (RFC 8996) and not served; write TLS12 or TLS13"
        raise ValueError(msg)
    return _one_of(value, ("TLS12", "TLS13"), "version")


def _check_client_auth(value: str) -> str:
    if value in _UNVERIFIED:
        msg = (
            f"{value} lets certificates in that nobody has verified, which is not done here; "
            "write RequireAndVerifyClientCert, or VerifyClientCertIfGiven, and name a client_ca_file"
        )
        raise ValueError(msg)
    return _one_of(value, ("NoClientCert", *_VERIFIED), "policy")


def _check_cipher(value: str) -> str:
    return _one_of(value, (*CIPHERS, *CIPHERS_13), "cipher suite")


def _check_hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        msg = "is no bcrypt hash; make one with: htpasswd -nBC 10 NAME"
        raise ValueError(msg)
    return value


def _check_san(value: str) -> str:
    """Addresses in the form in which certificates are read, whatever the form in the file."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return value


def _interval(value: Any) -> Any:
    return units.parse_duration(value) if isinstance(value, str) and value != "0" else value


def _not_blank(headers: Any) -> Any:
    """A known header without a value is not set."""
    if not isinstance(headers, dict):
        return headers
    return {name: value for name, value in headers.items() if value not in (None, "") or name not in HEADERS}


class _Part(Model):
    # YAML reads "X-XSS-Protection: 0" as a number, and Go takes it for text.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_blanks(cls, section: Any) -> Any:
        if not isinstance(section, dict):
            return section
        return {
            name: value
            for name, value in section.items()
            if value not in (None, "", {}) or name not in cls.model_fields
        }


class TlsConfig(_Part):
    """How connections are encrypted, and which clients may open them."""

    cert: str | None = None
    key: str | None = Field(default=None, repr=False)
    client_ca: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    client_auth_type: Annotated[str, AfterValidator(_check_client_auth)] = "NoClientCert"
    client_allowed_sans: tuple[Annotated[str, AfterValidator(_check_san)], ...] | None = None
    min_version: Annotated[str, AfterValidator(_check_version)] = "TLS12"
    max_version: Annotated[str, AfterValidator(_check_version)] = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_check_cipher)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[
        Annotated[str, AfterValidator(lambda name: _one_of(name, CURVES, "curve"))], ...
    ] = ()

    @model_validator(mode="after")
    def _check(self) -> TlsConfig:
        problem = self._missing() or self._twice() or self._of_clients() or self._of_protocol()
        if problem:
            raise ValueError(problem)
        return self

    @property
    def verifies_clients(self) -> bool:
        """Whether certificates of clients are looked at."""
        return self.client_auth_type in _VERIFIED

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names."""
        return tuple(each for each in (self.cert_file, self.key_file, self.client_ca_file) if each)

    @property
    def openssl_ciphers(self) -> list[str]:
        """The suites up to TLS 1.2 as OpenSSL calls them."""
        return [CIPHERS[name] for name in self.cipher_suites if name in CIPHERS]

    def _missing(self) -> str:
        if not (self.cert or self.cert_file):
            return "has no cert_file; add cert_file and key_file, or remove the section to serve without TLS"
        return "" if self.key or self.key_file else "has no key_file; add it"

    def _twice(self) -> str:
        for name in ("cert", "key", "client_ca"):
            if getattr(self, name) and getattr(self, f"{name}_file"):
                return f"{name} and {name}_file are both given; keep one of them"
        return ""

    def _of_clients(self) -> str:
        if (self.client_ca or self.client_ca_file) and not self.verifies_clients:
            return (
                "names authorities of clients and no policy; add client_auth_type: RequireAndVerifyClientCert"
            )
        if self.client_allowed_sans is None or self.client_auth_type == "RequireAndVerifyClientCert":
            return ""
        return "client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert"

    def _of_protocol(self) -> str:
        if self.min_version > self.max_version:
            return f"min_version {self.min_version} is above max_version {self.max_version}; swap them"
        if self.max_version == "TLS12" and self.cipher_suites and not self.openssl_ciphers:
            return "cipher_suites has none that TLS 1.2 can use; add one or raise max_version to TLS13"
        if len(self.curve_preferences) > 1:
            return (
                "curve_preferences may name one curve here, for Python offers no list of them; keep one, "
                "or remove the key to offer what OpenSSL does"
            )
        return ""


class HttpConfig(_Part):
    """What responses say. ``http2`` is read and changes nothing: HTTP/1.1 is what is served."""

    http2: bool = True
    headers: Annotated[dict[str, str], BeforeValidator(_not_blank)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> HttpConfig:
        for name, value in self.headers.items():
            _one_of(name, HEADERS, "header")
            if HEADERS[name]:
                _one_of(value, HEADERS[name], f"value of {name}:")
            if not value.isprintable():
                msg = f"{name} must be one line of text"
                raise ValueError(msg)
        return self


class RateLimit(_Part):
    """A token bucket: ``burst`` requests at once, and one more every ``interval`` seconds; 0 is no limit."""

    interval: Annotated[float, BeforeValidator(_interval), Field(ge=0, le=86_400)] = 0.0
    burst: int = Field(default=0, ge=0, le=10**6)

    @model_validator(mode="after")
    def _check(self) -> RateLimit:
        if self.interval and not self.burst:
            msg = "a burst of 0 would refuse every request; write burst: 1 or more"
            raise ValueError(msg)
        return self


class WebConfig(_Part):
    """The whole file; left out, nothing is encrypted and everybody is let in."""

    tls_server_config: TlsConfig | None = None
    http_server_config: HttpConfig = HttpConfig()
    basic_auth_users: dict[str, Annotated[str, AfterValidator(_check_hash)]] = Field(
        default_factory=dict, repr=False
    )
    rate_limit: RateLimit = RateLimit()


def load(path: Path) -> WebConfig:
    """Read and check the file. Raises BadConfig with every problem, ConfigError where it cannot be read."""
    document = yaml_file.read(path, what="The web configuration", remedy=_REMEDY)
    problems = list(document.problems)
    config = WebConfig()
    try:
        config = WebConfig.model_validate({} if document.value is None else _absolute(document, problems))
    except ValidationError as error:
        problems += [_problem(document, each) for each in error.errors(include_url=False)]
    if problems:
        raise yaml_file.BadConfig(sorted(problems, key=lambda problem: problem.line))
    return config


def _absolute(document: Document, problems: list[Problem]) -> Any:
    whole = document.value
    tls = whole.get("tls_server_config") if isinstance(whole, dict) else None
    if not isinstance(tls, dict):
        return whole
    named: dict[Any, str] = {}
    for name, each in tls.items():
        if each and isinstance(each, str) and str(name).endswith("_file"):
            try:
                named[name] = str(locate.absolute(each, document.file))
            except ValueError as error:
                problems.append(document.problem(("tls_server_config", str(name)), str(error)))
    return {**whole, "tls_server_config": {**tls, **named}}


def _problem(document: Document, error: Any) -> Problem:
    loc = tuple(str(part) for part in error["loc"] if part != "[key]")
    message = str(error["msg"])
    ours = message.removeprefix("Value error, ")
    sentence = ours if ours != message else _SENTENCES.get(error["type"], message[0].lower() + message[1:])
    return document.problem(loc, sentence)
