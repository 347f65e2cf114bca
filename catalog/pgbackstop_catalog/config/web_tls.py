"""A TLS context of the web configuration, tried with itself before it is used.

The trial is a handshake in memory: it finds what would otherwise be found by the first scrape, such as
suites that the certificate's key cannot use, and says whether the certificate is valid today.
"""

from __future__ import annotations

import os
import platform
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config.web_config import CURVES, TlsConfig

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_VALIDITY: Final = {9: "is not valid yet", 10: "has expired"}
# A handshake takes three; more would be one that never ends.
_TURNS: Final = 10
_MOST_BYTES: Final = 10**7  # the authorities of a whole system take a few hundred kilobytes


def context(tls: TlsConfig) -> ssl.SSLContext:
    """The context that the section asks for. Raises ConfigError naming what is wrong."""
    found = _bare(tls)
    _restrict(found, tls)
    _add_authorities(found, tls)
    found.verify_mode = _VERIFY[tls.client_auth_type]
    return found


def trial(tls: TlsConfig) -> str:
    """What a client would mind about the certificate's dates; empty when nothing.

    Raises ConfigError where no client could connect.
    """
    server = _bare(tls)
    _restrict(server, tls)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # the certificate vouches for itself
    client.load_verify_locations(cadata=_leaf(_certificate_text(tls)))
    try:
        _shake_hands(client, server)
    except ssl.SSLCertVerificationError as error:
        return _VALIDITY.get(error.verify_code, error.verify_message)
    except ssl.SSLError as error:
        raise _refusal(
            f"No client could connect with these settings: {_reason(error)}",
            "Choose cipher_suites and curve_preferences that fit the key of the certificate.",
        ) from error
    return ""


def _bare(tls: TlsConfig) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _check_pem(tls.cert_file, "cert_file", "CERTIFICATE")
    _check_pem(tls.key_file, "key_file", "PRIVATE KEY")
    with _as_file(tls.cert_file, tls.cert) as cert, _as_file(tls.key_file, tls.key) as key:
        try:
            found.load_cert_chain(cert, key, password=_refuse_password)
        except ssl.SSLError as error:
            raise _refusal(*_of_pair(error)) from error
    return found


def _check_pem(path: Path | None, name: str, mark: str) -> None:
    """OpenSSL says only "PEM lib", and not of which file."""
    if path is None:
        return
    try:
        content = regular_file.read(path, _MOST_BYTES)
    except OSError as error:
        raise _refusal(
            f"{name} {path} cannot be read: {error.strerror}.", "Check its name, owner and mode."
        ) from error
    if b"-----BEGIN " not in content or f"{mark}-----".encode() not in content:
        raise _refusal(
            f"{name} {path} holds no {mark} in PEM form.", "Convert it with openssl, or name another."
        )


def _of_pair(error: ssl.SSLError) -> tuple[str, str]:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "key_file does not belong to cert_file.", "Name the key that the certificate was made for."
    problem = f"The certificate or its key cannot be read: {_reason(error)}"
    return problem, "Check both with: openssl x509 -in CERT -noout; openssl pkey -in KEY -noout"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "not in PEM form").replace("_", " ").lower() + "."


def _refuse_password() -> NoReturn:
    raise _refusal(
        "The key is encrypted, and there is nobody to ask for its password.",
        "Decrypt it with: openssl pkey -in KEY -out NEW, and protect the file with mode 0600.",
    )


def _refusal(problem: str, remedy: str) -> errors.ConfigError:
    return errors.ConfigError(f"tls_server_config: {problem}", remedy=remedy)


@contextmanager
def _as_file(path: Path | None, text: str | None) -> Iterator[str]:
    """A name that OpenSSL can open; text stays in memory where the system can do that."""
    if path is not None:
        yield str(path)
    elif hasattr(os, "memfd_create"):
        number = os.memfd_create("pgbackstop")
        try:
            os.write(number, (text or "").encode())
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write((text or "").encode())
            file.flush()
            yield file.name


def _restrict(found: ssl.SSLContext, tls: TlsConfig) -> None:
    found.minimum_version = _VERSIONS[tls.min_version]
    found.maximum_version = _VERSIONS[tls.max_version]
    if tls.openssl_ciphers:
        found.set_ciphers(":".join(tls.openssl_ciphers))
    elif tls.cipher_suites:
        found.minimum_version = ssl.TLSVersion.TLSv1_3  # no suite is left for 1.2
    if not tls.prefer_server_cipher_suites:
        found.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences:
        _prefer(found, curve)


def _prefer(found: ssl.SSLContext, curve: str) -> None:
    """Some Pythons, like Debian 12's 3.11.2, can choose only among the curves that OpenSSL 1 knew."""
    try:
        found.set_ecdh_curve(CURVES[curve])
    except ssl.SSLError as error:
        raise _refusal(
            f"Python {platform.python_version()} cannot choose the curve {curve}.",
            "Leave curve_preferences out, and clients choose X25519 where they can; or choose CurveP256.",
        ) from error


def _add_authorities(found: ssl.SSLContext, tls: TlsConfig) -> None:
    if not tls.verifies_clients:
        return
    _check_pem(tls.client_ca_file, "client_ca_file", "CERTIFICATE")
    try:
        if tls.client_ca_file or tls.client_ca:
            found.load_verify_locations(cafile=tls.client_ca_file, cadata=tls.client_ca)
        else:
            found.load_default_certs(ssl.Purpose.CLIENT_AUTH)  # the system's, as Go does
    except ssl.SSLError as error:
        raise _refusal(
            f"The authorities of clients cannot be read: {_reason(error)}",
            "Check client_ca_file with: openssl x509 -in FILE -noout",
        ) from error


def _certificate_text(tls: TlsConfig) -> str:
    if tls.cert_file is None:
        return tls.cert or ""
    return regular_file.read(tls.cert_file, _MOST_BYTES).decode(errors="replace")


def _leaf(pem: str) -> str:
    """The first certificate of a chain."""
    end = "-----END CERTIFICATE-----"
    return pem[pem.find("-----BEGIN CERTIFICATE-----") : pem.find(end) + len(end)]


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [asking, answering]
    for _ in range(_TURNS):
        waiting = [each for each in waiting if not _is_through(each)]


def _is_through(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
