"""Storages, the places for bytes: a folder, or a bucket of S3."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pgbackstop_catalog.config.types import HttpAddress, Size
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


_ENCRYPTION = "encrypts what is stored; files as they are when left out"


class FolderStorage(Model):
    """A folder on a disk of this host."""

    kind: Literal["folder"] = Field(default="folder", description="a folder")
    path: Path = Field(description="the folder; 'pgbackstop storage create' makes it, with mode 0700")
    reserve: Size = Field(default=10**9, description="bytes that a backup must leave free")
    encryption: Encryption | None = Field(default=None, description=f"{_ENCRYPTION}; only for copies")


class S3Storage(Model):
    """A bucket of S3 or of a server that speaks its protocol; only for copies."""

    kind: Literal["s3"] = Field(description="a bucket")
    bucket: str = Field(min_length=1, description="its name; it must exist")
    prefix: str = Field(default="", description="a folder in the bucket")
    endpoint: HttpAddress | None = Field(
        default=None, description="the server's address, like https://minio:9000; Amazon's when left out"
    )
    region: str = Field(default="us-east-1", description="the bucket's region")
    access_key_id_file: Path | None = Field(
        default=None, description="a file with the key's id; else the environment's AWS_ACCESS_KEY_ID"
    )
    secret_access_key_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with the secret key; else the environment's AWS_SECRET_ACCESS_KEY",
    )
    allow_http: bool = Field(default=False, description="whether the endpoint may be without encryption")
    encryption: Encryption | None = Field(default=None, description=_ENCRYPTION)

    @model_validator(mode="after")
    def _encrypted_unless_said(self) -> S3Storage:
        if self.endpoint is not None and self.endpoint.startswith("http:") and not self.allow_http:
            msg = "the endpoint is without encryption: use https://, or set allow_http: true"
            raise ValueError(msg)
        return self


def _folder_unless_said(storage: Any) -> Any:
    return {"kind": "folder", **storage} if isinstance(storage, dict) else storage


Storage = Annotated[
    FolderStorage | S3Storage, Field(discriminator="kind"), BeforeValidator(_folder_unless_said)
]
