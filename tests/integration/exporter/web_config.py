"""The web configuration file as tests write it, and an exporter under it."""

import ssl
from pathlib import Path
from typing import Any

import bcrypt
import yaml

from tests.integration.exporter.running import Exporter
from tests.integration.exporter.test_exporter import configure
from tests.support.certificates import Authority
from tests.support.factories import catalog

PASSWORD = "wonder"
# The least cost that bcrypt has: what is measured here is the answer, not the strength.
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "web.yml"
    path.write_text(yaml.safe_dump(document))
    return path


def tls(authority: Authority, **changes: Any) -> dict[str, Any]:
    folder = authority.file.parent
    return {"cert_file": str(folder / "server.pem"), "key_file": str(folder / "server.key"), **changes}


def mutual(authority: Authority, **changes: Any) -> dict[str, Any]:
    ask = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": str(authority.file)}
    return tls(authority, **ask, **changes)


def with_certificate(trusted: Authority, owner: Authority) -> ssl.SSLContext:
    folder = owner.file.parent
    return trusted.client(folder / "client.pem", folder / "client.key")


def serving(folder: Path, document: dict[str, Any], client: ssl.SSLContext | None = None) -> Exporter:
    catalog(folder)
    return Exporter(configure(folder), f"--web.config.file={write(folder, document)}", tls=client)
