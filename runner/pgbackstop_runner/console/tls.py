"""TLS of the console, by the web configuration file that the exporter reads, too."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import web_config, web_tls
from pgbackstop_catalog.config.web_config import HttpConfig, RateLimit, TlsConfig, WebConfig


@dataclass(frozen=True, kw_only=True)
class Tls:
    """What connections are encrypted by; ``warning`` is what browsers mind about the certificate, or ""."""

    context: ssl.SSLContext
    warning: str


def read(path: Path) -> Tls:
    """TLS as the file asks for it. Raises ConfigError naming what is wrong, or what the console cannot do."""
    try:
        tls = _section(web_config.load(path))
        return Tls(context=web_tls.context(tls), warning=web_tls.trial(tls))
    except errors.ConfigError as error:
        raise errors.ConfigError(
            f"console.web_config_file {path}: {error.problem}", remedy=error.remedy
        ) from error


def _section(found: WebConfig) -> TlsConfig:
    if found.tls_server_config is None:
        raise errors.ConfigError("It has no tls_server_config.", remedy="Add cert_file and key_file there.")
    asked = {
        "basic_auth_users": bool(found.basic_auth_users),
        "rate_limit": found.rate_limit != RateLimit(),
        "http_server_config.headers": found.http_server_config.headers != HttpConfig().headers,
        "client_allowed_sans": found.tls_server_config.client_allowed_sans is not None,
    }
    if unmet := [name for name, is_asked in asked.items() if is_asked]:
        raise errors.ConfigError(
            f"The console does not do {' and '.join(unmet)}: it has users and headers of its own.",
            remedy="Name another file, with the rest of tls_server_config alone.",
        )
    return found.tls_server_config
