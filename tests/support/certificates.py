"""Certificates of an authority of the tests, as files."""

import ssl
from datetime import datetime
from pathlib import Path

import trustme


class Authority:
    """Signs certificates for servers and clients; its own certificate is ``ca.pem`` in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._signer = trustme.CA()
        self._folder = folder
        self.file = folder / "ca.pem"
        folder.mkdir(exist_ok=True)
        self._signer.cert_pem.write_to_path(self.file)

    def issue(
        self,
        name: str,
        *identities: str,
        until: datetime | None = None,
        key_type: trustme.KeyType = trustme.KeyType.ECDSA,
    ) -> tuple[Path, Path]:
        """``name.pem`` and ``name.key`` for these identities, loopback ones when none are given."""
        since = None if until is None else datetime(2001, 1, 1, tzinfo=until.tzinfo)
        made = self._signer.issue_cert(
            *(identities or ("localhost", "127.0.0.1")), not_before=since, not_after=until, key_type=key_type
        )
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        made.private_key_pem.write_to_path(key)
        return certificate, key

    def client(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        """What a client needs to trust this authority, with a certificate of its own where it has one."""
        found = ssl.create_default_context(cafile=self.file)
        if certificate:
            found.load_cert_chain(certificate, key)
        return found
