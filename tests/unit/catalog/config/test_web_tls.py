"""TLS contexts: real certificates, and each thing that may be wrong with them."""

import os
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import web_tls
from pgbackstop_catalog.config.web_config import TlsConfig
from tests.support.certificates import Authority

TODAY = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    found = Authority(tmp_path / "authority")
    found.issue("server")
    return found


def section(authority: Authority, **changes: Any) -> TlsConfig:
    folder = authority.file.parent
    values = {"cert_file": folder / "server.pem", "key_file": folder / "server.key", **changes}
    return TlsConfig(**values)


def connect(tls: TlsConfig, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's end after a handshake with what the section makes. Raises SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    answering = web_tls.context(tls).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for end in (asking, answering):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return asking


def test_a_good_pair_serves(authority: Authority) -> None:
    assert connect(section(authority), authority.client()).version() == "TLSv1.3"
    assert web_tls.trial(section(authority)) == ""


def test_texts_instead_of_files(authority: Authority) -> None:
    files = section(authority)
    assert files.cert_file is not None
    assert files.key_file is not None
    inline = TlsConfig(cert=files.cert_file.read_text(), key=files.key_file.read_text())
    assert connect(inline, authority.client()).version() == "TLSv1.3"
    assert web_tls.trial(inline) == ""


@pytest.mark.parametrize(
    ("changes", "version", "suite"),
    [
        ({"max_version": "TLS12"}, "TLSv1.2", ""),
        ({"min_version": "TLS13"}, "TLSv1.3", ""),
        ({"cipher_suites": ("TLS_AES_256_GCM_SHA384",)}, "TLSv1.3", ""),
        (
            {"max_version": "TLS12", "cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",)},
            "TLSv1.2",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        ({"max_version": "TLS12", "curve_preferences": ("CurveP384",)}, "TLSv1.2", ""),
        ({"curve_preferences": ("CurveP521",), "prefer_server_cipher_suites": False}, "TLSv1.3", ""),
    ],
)
def test_versions_suites_and_curves(
    authority: Authority, changes: dict[str, Any], version: str, suite: str
) -> None:
    found = connect(section(authority, **changes), authority.client())
    cipher = found.cipher()
    assert found.version() == version
    assert cipher is not None
    assert suite in cipher[0]


def test_a_curve_that_older_pythons_cannot_choose(authority: Authority) -> None:
    """Debian 12's is one of them; there the settings are refused in a sentence."""
    wanted = section(authority, curve_preferences=("X25519",))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve("X25519")
    except ssl.SSLError:
        with pytest.raises(
            errors.ConfigError, match=r"Python 3\.\d+\.\d+ cannot choose the curve X25519"
        ) as told:
            web_tls.trial(wanted)
        assert "choose CurveP256" in str(told.value.remedy)
    else:
        assert connect(wanted, authority.client()).version() == "TLSv1.3"


def test_only_suites_of_tls_13_leave_no_older_version(authority: Authority) -> None:
    old = authority.client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        connect(section(authority, cipher_suites=("TLS_AES_128_GCM_SHA256",)), old)


def test_the_systems_authorities_judge_clients_when_none_is_named(authority: Authority) -> None:
    found = web_tls.context(section(authority, client_auth_type="RequireAndVerifyClientCert"))
    assert found.verify_mode is ssl.CERT_REQUIRED


def test_dates_are_told_and_no_error(authority: Authority) -> None:
    authority.issue("server", until=TODAY - timedelta(days=1))
    assert web_tls.trial(section(authority)) == "has expired"
    asked = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": authority.file}
    assert web_tls.trial(section(authority, **asked)) == "has expired"


def test_suites_that_do_not_fit_the_key_are_refused(authority: Authority) -> None:
    authority.issue("server", key_type=trustme.KeyType.RSA)
    unfit = section(
        authority, max_version="TLS12", cipher_suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",)
    )
    with pytest.raises(errors.ConfigError, match=r"No client could connect .* no shared cipher"):
        web_tls.trial(unfit)


def _encrypt(folder: Path) -> None:
    key = folder / "server.key"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", folder / "e"], check=True
    )
    (folder / "e").replace(key)


def _change_format(folder: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((folder / "server.pem").read_text())
    (folder / "server.pem").write_bytes(der)


def _mix_up(folder: Path) -> None:
    _certificate, key = Authority(folder / "other").issue("server")
    key.replace(folder / "server.key")


def _pipe(file: Path) -> None:
    """Whoever opens it to read waits for ever."""
    file.unlink()
    os.mkfifo(file)


def _cut(folder: Path) -> None:
    text = (folder / "server.key").read_text()
    (folder / "server.key").write_text(text[: len(text) // 2] + "\n-----END EC PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (_encrypt, "The key is encrypted, and there is nobody to ask for its password. Decrypt it with"),
        (_change_format, "server.pem holds no CERTIFICATE in PEM form"),
        (_mix_up, "key_file does not belong to cert_file"),
        (_cut, "The certificate or its key cannot be read"),
        (lambda folder: (folder / "server.key").unlink(), "server.key cannot be read: No such file"),
        (lambda folder: _pipe(folder / "server.key"), "server.key cannot be read: it is no regular file"),
        (lambda folder: _pipe(folder / "server.pem"), "server.pem cannot be read: it is no regular file"),
        (lambda folder: (folder / "ca.pem").write_text("none"), "ca.pem holds no CERTIFICATE in PEM form"),
        (
            lambda folder: (folder / "ca.pem").write_text(
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
            ),
            "The authorities of clients cannot be read",
        ),
    ],
    ids=[
        "encrypted",
        "DER",
        "mixed up",
        "cut",
        "no key",
        "pipe as key",
        "pipe",
        "no authority",
        "bad authority",
    ],
)
def test_each_broken_file_has_its_sentence(
    authority: Authority, break_it: Callable[[Path], object], problem: str
) -> None:
    break_it(authority.file.parent)
    asked = {"client_auth_type": "VerifyClientCertIfGiven", "client_ca_file": authority.file}
    with pytest.raises(errors.ConfigError) as refused:
        web_tls.context(section(authority, **asked))
    assert problem in str(refused.value)
