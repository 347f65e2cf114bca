"""How alerts reach people: mail, chats, pagers, and whatever takes a webhook.

Each channel exists when it is configured. Secrets are named as files and never stand here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from pgbackstop_catalog.config.types import HttpAddress
from pgbackstop_catalog.model import Model

_ADDRESS = r"^[^@\s,<>]+@[^@\s,<>]+$"


def _chat(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < abs(value) < 2**63:
        return value
    msg = "must be the chat's number, like -1001234567890, without quotes; a name like @backups does not do"
    raise ValueError(msg)


def _channel(value: Any) -> Any:
    if value is None:
        msg = 'is empty: a name that begins with # needs quotes, like "#backups"'
        raise ValueError(msg)
    return value


Address = Annotated[str, Field(pattern=_ADDRESS)]


class Email(Model):
    """Alerts by mail."""

    to: tuple[Address, ...] = Field(min_length=1, description="who gets them: a list of addresses")
    sender: Address = Field(description="the address that they come from")
    smarthost: str = Field(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$",
        description="the mail server and its port, like smtp.example.com:587; 465 is TLS from the start",
    )
    user: str | None = Field(default=None, min_length=1, description="the user, where the server wants one")
    password_file: Path | None = Field(
        default=None, description="a file, mode 0600, whose first line is the user's password"
    )
    require_tls: bool = Field(
        default=True, description="refuse to send without TLS; false only for a server on this host"
    )
    ca_file: Path | None = Field(
        default=None,
        description="the authority that signed the server's certificate; the system's when left out",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Email:
        if (self.user is None) != (self.password_file is None):
            msg = "user and password_file belong together: give both or none"
            raise ValueError(msg)
        return self

    @property
    def host(self) -> str:
        """The mail server without its port and without the brackets of an IPv6 address."""
        return self.smarthost.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.smarthost.rpartition(":")[2])


class Slack(Model):
    """Alerts in a channel of Slack, by an incoming webhook."""

    api_url_file: Path = Field(
        description="a file, mode 0600, whose first line is the webhook's address, https://hooks.slack.com/…"
    )
    channel: Annotated[str, BeforeValidator(_channel)] = Field(
        default="", description="where to, like #backups; the webhook's own channel when left out"
    )


class Telegram(Model):
    """Alerts in a chat of Telegram, by a bot."""

    bot_token_file: Path = Field(
        description="a file, mode 0600, whose first line is the token that @BotFather gave"
    )
    chat_id: Annotated[int, BeforeValidator(_chat)] = Field(
        description="the chat's number; those of groups are negative"
    )
    api_url: HttpAddress = Field(
        default="https://api.telegram.org",
        description="Telegram's server, or one of your own",
    )


class Discord(Model):
    """Alerts in a channel of Discord, by a webhook."""

    webhook_url_file: Path = Field(
        description="a file, mode 0600, whose first line is the webhook's address, https://discord.com/api/…"
    )


class Teams(Model):
    """Alerts in a channel of Microsoft Teams, by a workflow."""

    webhook_url_file: Path = Field(
        description="a file, mode 0600, whose first line is the address that the workflow gave"
    )


class PagerDuty(Model):
    """Warnings and critical alerts as incidents of PagerDuty; news of good backups never."""

    routing_key_file: Path = Field(
        description="a file, mode 0600, whose first line is the integration key of Events API v2"
    )
    url: HttpAddress = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        description="PagerDuty's server; that of the EU is https://events.eu.pagerduty.com/v2/enqueue",
    )


class Opsgenie(Model):
    """Warnings and critical alerts as alerts of Opsgenie; news of good backups never."""

    api_key_file: Path = Field(
        description="a file, mode 0600, whose first line is the key of the integration"
    )
    api_url: HttpAddress = Field(
        default="https://api.opsgenie.com/",
        description="Opsgenie's server; that of the EU is https://api.eu.opsgenie.com/",
    )


class Webhook(Model):
    """Alerts as Alertmanager's JSON to an address of yours, ntfy's among them."""

    url_file: Path = Field(description="a file, mode 0600, whose first line is the address")
    token_file: Path | None = Field(
        default=None, description="a file, mode 0600, whose first line is sent as a bearer token"
    )
