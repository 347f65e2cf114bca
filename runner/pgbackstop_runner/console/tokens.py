"""Tokens of programs that use the API: a name, a role, an end, and the hash of what the program sends.

SHA-256 is enough: a token is 256 bits of chance, and nobody finds it by trying, however fast a hash is. What
makes bcrypt worth its time is that people choose passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.oidc import Role
from pgbackstop_catalog.model import Model, UtcTime, format_time
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Name
from pgbackstop_catalog.store import atomic, listing
from pgbackstop_catalog.text import is_name
from pgbackstop_runner.workspace import Workspace

# By this a scanner of repositories knows what it has found.
PREFIX: Final = "pgbackstop_"
_SUFFIX: Final = ".json"


class Token(Model):
    """What is known of a token; it is not known itself."""

    record_version: Literal[1] = 1
    kind: Literal["token"] = "token"
    name: Name
    role: Role
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    created_at: UtcTime
    created_by: str
    expires_at: UtcTime

    def is_over(self, now: datetime) -> bool:
        """Whether it lets nobody in any more."""
        return now >= self.expires_at


def create(
    workspace: Workspace, name: str, role: Role, *, seconds: float, operator: str, now: datetime
) -> tuple[str, Token]:
    """A new token, which nobody can read again, and what is kept of it.

    Raises ConfigError where the name is none or taken, CatalogError.
    """
    path = _file(workspace, name)
    secret = PREFIX + secrets.token_urlsafe(32)
    try:
        ends = now + timedelta(seconds=seconds)
        made = Token(
            name=name,
            role=role,
            sha256=_hash(secret),
            created_at=now,
            created_by=operator,
            expires_at=ends,
        )
    except (OverflowError, ValueError) as error:
        raise errors.ConfigError("The token would never end.", remedy="Let it end sooner.") from error
    with workspace.state.turn("tokens"):
        if path.exists():
            raise errors.ConfigError(
                f"There is a token {name!r} already.",
                remedy=f"Take another name, or first: pgbackstop token revoke {name}",
            )
        try:
            workspace.state.make(path.parent)
            atomic.write(path, codec.encode(made))
        except OSError as error:
            raise _unwritable(path, error) from error
    return secret, made


def revoke(workspace: Workspace, name: str) -> None:
    """Remove a token, which counts at once. Raises NotFound, ConfigError, CatalogError."""
    path = _file(workspace, name)
    try:
        path.unlink()
        atomic.sync_folder(path.parent)
    except FileNotFoundError:
        raise errors.NotFound(f"There is no token {name!r}.", remedy="See 'pgbackstop token list'.") from None
    except OSError as error:
        raise _unwritable(path, error) from error


def known(workspace: Workspace, on_invalid: Callable[[errors.CatalogError], None]) -> Iterator[Token]:
    """Every token, by name; ``on_invalid`` hears of a file that is none. Raises CatalogError."""
    folder = workspace.state.tokens
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    except FileNotFoundError:
        listing.require_state(workspace.state.root)  # else nobody could tell whether there are any
        return
    except OSError as error:
        raise errors.CatalogError(f"The tokens cannot be read: {folder}: {error.strerror}.") from error
    for path in paths:
        try:
            yield codec.read(Token, path)
        except FileNotFoundError:
            continue  # revoked meanwhile
        except OSError as error:
            on_invalid(errors.CatalogError(f"The token cannot be read: {path}: {error.strerror}."))
        except errors.CatalogError as error:
            on_invalid(error)


def of(workspace: Workspace, secret: str, on_invalid: Callable[[errors.CatalogError], None]) -> Token | None:
    """The token that somebody has sent, over or not; None where there is no such. Raises CatalogError."""
    sent = _hash(secret)
    return next(
        (each for each in known(workspace, on_invalid) if hmac.compare_digest(each.sha256, sent)), None
    )


def ended(token: Token) -> str:
    """The sentence for one that is over."""
    return f"The token {token.name} ended at {format_time(token.expires_at)}."


def require_name(name: str) -> None:
    """Raises ConfigError for what no token may be called."""
    if not is_name(name):
        raise errors.ConfigError(
            f"{name!r} is no name.",
            remedy="Use letters, digits, '_', '.', '-', and begin with a letter or digit.",
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def _file(workspace: Workspace, name: str) -> Path:
    require_name(name)
    return workspace.state.tokens / f"{name}{_SUFFIX}"


def _unwritable(path: Path, error: OSError) -> errors.CatalogError:
    return errors.CatalogError(
        f"The token cannot be written: {path}: {error.strerror}.",
        remedy="Check the disk, the folder's owner and mode.",
    )
