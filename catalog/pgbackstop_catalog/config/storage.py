"""Storages, the places for bytes: a folder, a bucket of S3, Google or Azure, a folder of an SFTP server."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pgbackstop_catalog.config.hours import Hours
from pgbackstop_catalog.config.keep import CopyKeep
from pgbackstop_catalog.config.types import Duration, HttpAddress, Size
from pgbackstop_catalog.model import Model


class Encryption(Model):
    """Encryption of all that is stored but records, in the age format; only for copies."""

    recipients_file: Path | None = Field(
        default=None,
        description="a file with a public key in each line, of age (age1…) or of SSH (ssh-ed25519, ssh-rsa): "
        "whoever has one of their identities can read; needed to write",
    )
    identity_files: tuple[Path, ...] = Field(
        default=(),
        description="files, mode 0600, with secret keys of 'pgbackstop key generate', or SSH keys without a "
        "passphrase; needed to read, so only where one restores",
    )

    @model_validator(mode="after")
    def _some_key(self) -> Encryption:
        if self.recipients_file is None and not self.identity_files:
            msg = "needs recipients_file to write, or identity_files to read"
            raise ValueError(msg)
        return self

    @property
    def is_sealed(self) -> bool:
        """Whether nothing on this host opens it."""
        return not self.identity_files


_ENCRYPTION = "encrypts what is stored; files as they are when left out"
_VERIFY = "false: copies there are not read again by themselves, as where each byte that is read costs money"
_KEEP = (
    "how long copies there are kept, whatever their plans say, by what is there alone; left out: as long as "
    "the backups themselves"
)
_LOCKED = (
    "how long nothing there can be deleted, as by the bucket's object lock; what is younger is left alone"
)
_RATE_HOURS = "when rate_limit holds; always when left out"
_LIMIT = "how much may be there; 'pgbackstop du' tells when that is reached. Nothing is refused for it"
_RATE = "bytes a second, like 10MB, that each process sends or reads at most; no limit when left out"


class FolderStorage(Model):
    """A folder on a disk of this host."""

    kind: Literal["folder"] = Field(default="folder", description="a folder")
    path: Path = Field(description="the folder; 'pgbackstop storage create' makes it, with mode 0700")
    reserve: Size = Field(default=10**9, description="bytes that a backup must leave free")
    verify: bool = Field(default=True, description=_VERIFY)
    keep: CopyKeep | None = Field(default=None, description=_KEEP)
    locked_for: Duration | None = Field(default=None, gt=0, description=_LOCKED)
    encryption: Encryption | None = Field(default=None, description=f"{_ENCRYPTION}; only for copies")

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path)


class ObjectStorage(Model):
    """What buckets have in common, whoever runs them."""

    kind: str
    prefix: str = Field(default="", description="a folder in it")
    endpoint: HttpAddress | None = Field(
        default=None,
        description="the server's address, like https://minio:9000; else the provider's",
    )
    allow_http: bool = Field(default=False, description="whether the endpoint may be without encryption")
    ca_file: Path | None = Field(
        default=None, description="certificates, in PEM, of authorities to trust besides the machine's own"
    )
    proxy: HttpAddress | None = Field(default=None, description="the address of a proxy to go through")
    storage_class: str | None = Field(
        default=None,
        description="the class of what is stored, in the provider's words",
    )
    rate_limit: Size | None = Field(default=None, gt=0, description=_RATE)
    rate_limit_hours: tuple[Hours, ...] = Field(default=(), description=_RATE_HOURS)
    size_limit: Size | None = Field(default=None, gt=0, description=_LIMIT)
    verify: bool = Field(default=True, description=_VERIFY)
    keep: CopyKeep | None = Field(default=None, description=_KEEP)
    locked_for: Duration | None = Field(default=None, gt=0, description=_LOCKED)
    encryption: Encryption | None = Field(default=None, description=_ENCRYPTION)

    @model_validator(mode="after")
    def _encrypted_unless_said(self) -> Self:
        if self.endpoint is not None and self.endpoint.startswith("http:") and not self.allow_http:
            msg = "the endpoint is without encryption: use https://, or set allow_http: true"
            raise ValueError(msg)
        return self


class S3Storage(ObjectStorage):
    """A bucket of S3 or of a server that speaks its protocol; only for copies."""

    kind: Literal["s3"] = Field(description="a bucket")
    bucket: str = Field(min_length=1, description="its name; it must exist")
    region: str = Field(default="us-east-1", description="the bucket's region")
    addressing: Literal["path", "virtual_host"] = Field(
        default="path",
        description="where the bucket's name stands: https://host/bucket, or https://bucket.host",
    )
    checksum: Literal["none", "sha256", "crc64nvme"] | None = Field(
        default=None,
        description="what is sent beside each part: buckets with object lock want one, many servers that are "
        "not Amazon's refuse all; sha256 for Amazon's when left out, else none",
    )
    access_key_id_file: Path | None = Field(
        default=None, description="a file with the key's id; else the environment's AWS_ACCESS_KEY_ID"
    )
    secret_access_key_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with the secret key; else the environment's AWS_SECRET_ACCESS_KEY, "
        "else what the machine has been given",
    )

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(PurePosixPath(self.bucket, self.prefix.strip("/")))

    @property
    def checksum_in_use(self) -> str:
        """What is sent, with nothing left open."""
        host = urlsplit(self.endpoint).hostname or "" if self.endpoint else "s3.amazonaws.com"
        is_amazon = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        return self.checksum or ("sha256" if is_amazon else "none")


class GcsStorage(ObjectStorage):
    """A bucket of Google Cloud Storage; only for copies."""

    kind: Literal["gcs"] = Field(description="a bucket of Google Cloud Storage")
    bucket: str = Field(min_length=1, description="its name; it must exist")
    credentials_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with a service account's key in JSON; else the environment's "
        "GOOGLE_APPLICATION_CREDENTIALS, else what the machine has been given",
    )

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"gs://{PurePosixPath(self.bucket, self.prefix.strip('/'))}"


class AzureStorage(ObjectStorage):
    """A container of Azure Blob Storage; only for copies."""

    kind: Literal["azure"] = Field(description="a container of Azure Blob Storage")
    account: str = Field(min_length=1, description="the storage account's name")
    container: str = Field(min_length=1, description="its name; it must exist")
    account_key_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with the account's key; else the environment's "
        "AZURE_STORAGE_ACCOUNT_KEY, else what the machine has been given",
    )
    sas_file: Path | None = Field(
        default=None, description="a file, mode 0600, with a shared access signature, in place of the key"
    )

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.account_key_file is not None and self.sas_file is not None:
            msg = "has account_key_file and sas_file; name one of them"
            raise ValueError(msg)
        return self

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"azure://{PurePosixPath(self.account, self.container, self.prefix.strip('/'))}"


def _host(value: str) -> str:
    if not value or value.split() != [value] or any(sign in value for sign in "/@[]"):
        msg = "must be a host's name or address alone, like backup.example.com"
        raise ValueError(msg)
    return value


def _user(value: str) -> str:
    if not value or value.split() != [value] or "@" in value:
        msg = "must be the name of an account, without a host and without spaces"
        raise ValueError(msg)
    return value


def _host_key(value: str) -> str:
    """What OpenSSH writes: the key's type, and the key, which begins with the length and the type."""
    words = value.split()
    try:
        key = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        key = b""
    kind = words[0].encode() if words else b""
    if not key.startswith(len(kind).to_bytes(4) + kind) or len(key) <= len(kind) + 4:
        msg = "must be a public key like 'ssh-ed25519 AAAA…', as ssh-keyscan prints it after the host's name"
        raise ValueError(msg)
    return value


def _remote_folder(value: str) -> str:
    if not value or value.startswith("~") or ".." in PurePosixPath(value).parts:
        msg = "must be a folder like /srv/backups, or backups for one in the home of user; without ~ and .."
        raise ValueError(msg)
    return value


class SftpStorage(Model):
    """A folder of an SFTP server, OpenSSH's or one that can replace a file by renaming; only for copies."""

    kind: Literal["sftp"] = Field(description="a folder of an SFTP server")
    host: Annotated[str, AfterValidator(_host)] = Field(description="the server's name or address")
    port: int = Field(default=22, ge=1, le=65535, description="its port")
    user: Annotated[str, AfterValidator(_user)] = Field(description="the account there")
    folder: Annotated[str, AfterValidator(_remote_folder)] = Field(
        description="the folder there; a relative one is in the home of user"
    )
    host_keys: tuple[Annotated[str, AfterValidator(_host_key)], ...] = Field(
        default=(),
        description="the server's public keys, like 'ssh-ed25519 AAAA…'; no other is spoken to. "
        "Either these or known_hosts_file",
    )
    known_hosts_file: Path | None = Field(
        default=None, description="a file as OpenSSH's known_hosts, which has the server's keys"
    )
    key_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with a private key without a passphrase; or password_file",
    )
    password_file: Path | None = Field(
        default=None, description="a file, mode 0600, whose first line is the password"
    )
    rate_limit: Size | None = Field(default=None, gt=0, description=_RATE)
    rate_limit_hours: tuple[Hours, ...] = Field(default=(), description=_RATE_HOURS)
    size_limit: Size | None = Field(default=None, gt=0, description=_LIMIT)
    verify: bool = Field(default=True, description=_VERIFY)
    keep: CopyKeep | None = Field(default=None, description=_KEEP)
    locked_for: Duration | None = Field(default=None, gt=0, description=_LOCKED)
    encryption: Encryption | None = Field(default=None, description=_ENCRYPTION)

    @model_validator(mode="after")
    def _one_of_each(self) -> SftpStorage:
        if bool(self.host_keys) == (self.known_hosts_file is not None):
            msg = (
                "must say which server is meant: by host_keys or by known_hosts_file, one of them. "
                "'ssh-keyscan HOST' shows keys; compare them with what the server's owner says"
            )
            raise ValueError(msg)
        if (self.key_file is None) == (self.password_file is None):
            msg = "must say how to log in: by key_file or by password_file, one of them"
            raise ValueError(msg)
        return self

    @property
    def place(self) -> str:
        """Where it is, for people."""
        folder = self.folder if self.folder.startswith("/") else f"/~/{self.folder}"
        return f"sftp://{self.user}@{self.host}:{self.port}{folder}"


def _folder_unless_said(storage: Any) -> Any:
    return {"kind": "folder", **storage} if isinstance(storage, dict) else storage


AnyStorage = FolderStorage | S3Storage | GcsStorage | AzureStorage | SftpStorage
KINDS = frozenset({"folder", "s3", "gcs", "azure", "sftp"})
Storage = Annotated[AnyStorage, Field(discriminator="kind"), BeforeValidator(_folder_unless_said)]
