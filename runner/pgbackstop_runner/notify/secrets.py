"""The secrets of channels, read from the files that the configuration names.

They go nowhere but to the service that they are for, or into Alertmanager's configuration, mode 0600.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config.channels import Discord, Email, Slack, Telegram

_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")


def of_email(email: Email) -> str | None:
    """The password, or None where the server wants none. Raises ConfigError."""
    return read(email.password_file, "the mail server's password") if email.password_file else None


def of_slack(slack: Slack) -> str:
    """The webhook's address. Raises ConfigError."""
    return read_url(slack.api_url_file, "Slack's webhook")


def of_discord(discord: Discord) -> str:
    """The webhook's address. Raises ConfigError."""
    return read_url(discord.webhook_url_file, "Discord's webhook")


def of_telegram(telegram: Telegram) -> str:
    """The bot's token. Raises ConfigError."""
    return read_token(telegram.bot_token_file)


def read_token(path: Path) -> str:
    """The token of a bot of Telegram from a file. Raises ConfigError."""
    token = read(path, "the Telegram bot's token")
    if _TOKEN.fullmatch(token) is None:
        raise errors.ConfigError(
            f"What stands in {path} is no token of a Telegram bot.",
            remedy="Copy it from @BotFather: digits, a colon, letters and digits.",
        )
    return token


def read_url(path: Path, what: str) -> str:
    """An address from a file. Raises ConfigError."""
    address = read(path, f"the address of {what}")
    if not _is_address(address):
        raise errors.ConfigError(
            f"What stands in {path} is no address of {what}.", remedy="It begins with https://."
        )
    return address


def read(path: Path, what: str) -> str:
    """The one line of a file. Raises ConfigError, without a word of what stands there."""
    try:
        lines = regular_file.read(path, 100_000).decode().strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise errors.ConfigError(
            f"The file {path} with {what} cannot be read: {reason}.",
            remedy="Check its name, owner and mode.",
        ) from error
    if not lines:
        raise errors.ConfigError(f"The file {path} is empty.", remedy=f"Write {what} into its first line.")
    if len(lines) > 1:
        # Alertmanager takes the whole file where it reads it itself.
        raise errors.ConfigError(
            f"The file {path} with {what} has {len(lines)} lines.",
            remedy="Leave only that, on one line.",
        )
    return lines[0]


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isascii() and " " not in text
