"""A storage for copies by its address: what the configuration says of it, and what it still lacks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pgbackstop_catalog import errors

NAME: Final = "offsite"
FORMS: Final = (
    "s3://BUCKET[/PREFIX], https://S3_SERVER/BUCKET[/PREFIX], gs://BUCKET[/PREFIX], "
    "azure://ACCOUNT/CONTAINER[/PREFIX] or sftp://USER@HOST[:PORT]/FOLDER, /~/FOLDER for one in USER's home"
)
_S3_KEYS: Final = {"access_key_id_file": "secrets/s3-id", "secret_access_key_file": "secrets/s3-key"}


@dataclass(frozen=True, kw_only=True)
class CopyStorage:
    """Keys and values of the storage in their order; ``needs`` are the files of it that a person writes."""

    settings: Mapping[str, str | int]
    needs: Mapping[str, str]

    def lines(self) -> str:
        """It as a part of the configuration's storages."""
        told = [f"    {key}: {_scalar(value)}" for key, value in self.settings.items()]
        files = [f"    {key}: {value}" for key, value in self.needs.items()]
        return "\n".join([f"  {NAME}:                              # for copies", *told, *files, ""])


def parsed(address: str) -> CopyStorage:
    """What the address means. Raises ConfigError."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # of a port that is none, or half an IPv6 address
        raise _unknown(address) from None
    if parts.password is not None:
        raise errors.ConfigError(
            "A password must not stand in an address.",
            remedy="Leave it out; the storage's password_file names a file of mode 0600.",
        )
    if parts.query or parts.fragment or (parts.username and parts.scheme != "sftp"):
        raise _unknown(address)
    known = {"s3": _s3, "https": _s3_server, "gs": _gcs, "azure": _azure, "sftp": _sftp}
    if parts.scheme not in known or not parts.hostname:
        raise _unknown(address)
    made = known[parts.scheme](parts, port)
    if made is None:
        raise _unknown(address)
    return made


def _s3(parts: SplitResult, port: int | None) -> CopyStorage | None:
    return _bucket("s3", parts.netloc, parts.path, _S3_KEYS) if port is None else None


def _s3_server(parts: SplitResult, _port: int | None) -> CopyStorage | None:
    bucket, _, prefix = parts.path.strip("/").partition("/")
    made = _bucket("s3", bucket, prefix, _S3_KEYS)
    if made is None:
        return None
    return CopyStorage(settings={**made.settings, "endpoint": f"https://{parts.netloc}"}, needs=made.needs)


def _gcs(parts: SplitResult, port: int | None) -> CopyStorage | None:
    needs = {"credentials_file": "secrets/gcs.json"}
    return _bucket("gcs", parts.netloc, parts.path, needs) if port is None else None


def _azure(parts: SplitResult, port: int | None) -> CopyStorage | None:
    container, _, prefix = parts.path.strip("/").partition("/")
    if not container or port is not None:
        return None
    settings = {"kind": "azure", "account": parts.netloc, "container": unquote(container), **_prefix(prefix)}
    return CopyStorage(settings=settings, needs={"account_key_file": "secrets/azure-key"})


def _sftp(parts: SplitResult, port: int | None) -> CopyStorage | None:
    folder = unquote(parts.path.removeprefix("/~/") if parts.path.startswith("/~/") else parts.path)
    if not parts.username or not folder.strip("/"):
        return None
    settings: dict[str, str | int] = {"kind": "sftp", "host": parts.hostname or ""}
    if port is not None:
        settings["port"] = port
    settings |= {"user": unquote(parts.username), "folder": folder}
    return CopyStorage(
        settings=settings, needs={"known_hosts_file": "known_hosts", "key_file": "secrets/sftp-key"}
    )


def _bucket(kind: str, name: str, prefix: str, needs: dict[str, str]) -> CopyStorage | None:
    if not name:
        return None
    return CopyStorage(settings={"kind": kind, "bucket": unquote(name), **_prefix(prefix)}, needs=needs)


def _prefix(path: str) -> dict[str, str]:
    prefix = unquote(path.strip("/"))
    return {"prefix": prefix} if prefix else {}


def _unknown(address: str) -> errors.ConfigError:
    return errors.ConfigError(
        f"{address!r} is no address of a storage for copies.", remedy=f"Write it as {FORMS}."
    )


def _scalar(value: str | int) -> str:
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)
