"""Why a channel does not work: the same service, asked from here, without sending anything to anybody.

Alertmanager only counts its failures; the reason stands in its log. What is asked here goes from this host,
which may see another network than Alertmanager's. No sentence has a secret in it.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote, urlencode, urlsplit

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.channels import Discord, Email, Slack, Telegram
from pgbackstop_catalog.config.notifications import Notifications
from pgbackstop_catalog.records import json_text
from pgbackstop_runner.notify import secrets
from pgbackstop_runner.system import http

_SECONDS = 10.0
_MOST_BYTES = 2048
_SHORTEST = 6  # letters of a part of a secret; shorter ones are words like "services"
# What Slack answers to a message without text where the address is right; nothing is shown to anybody.
# https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
_SLACK_IS_WELL = {"no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"}


def why(settings: Notifications, channel: str) -> str:
    """What the channel's service says to us: a sentence. Raises ConfigError for a secret's file."""
    problem = ""
    if channel == "email" and settings.email is not None:
        problem = email(settings.email)
    elif channel == "slack" and settings.slack is not None:
        problem = slack(settings.slack)
    elif channel == "telegram" and settings.telegram is not None:
        problem = telegram(settings.telegram)
    elif channel == "discord" and settings.discord is not None:
        problem = discord(settings.discord)
    else:
        # Whatever these are asked, somebody would get to see it.
        return "Its log has the reason."
    return problem or "From this host it works: look at Alertmanager's network and log."


def email(settings: Email) -> str:
    """What is wrong up to the recipients, as the mail server says it; empty when nothing is."""
    password = secrets.of_email(settings)
    try:
        with _connected(settings) as server:
            if settings.user is not None:
                server.login(settings.user, password or "")
            server.mail(settings.sender)
            answers = {address: server.rcpt(address) for address in settings.to}
            server.rset()
    except smtplib.SMTPNotSupportedError as error:
        return f"The mail server {settings.smarthost} lacks what is configured: {error}"
    except smtplib.SMTPResponseException as error:
        said = _of_mail(error.smtp_error, settings, password)
        return f"The mail server {settings.smarthost} answers {error.smtp_code}: {said}"
    except (OSError, smtplib.SMTPException) as error:
        return f"The mail server {settings.smarthost} cannot be used: {http.reason(error)}."
    refused = [
        f"{to}: {code} {_of_mail(words, settings, password)}"
        for to, (code, words) in answers.items()
        if code >= 400
    ]
    return f"The mail server {settings.smarthost} refuses {'; '.join(refused)}" if refused else ""


def slack(settings: Slack) -> str:
    """What Slack says of the webhook; empty when it is right."""
    address = secrets.of_slack(settings)
    code, words = _ask(address, data=b"{}", kind="application/json", hidden=urlsplit(address).path)
    if code == 200 or words in _SLACK_IS_WELL:
        return ""
    name = f"Slack ({urlsplit(address).hostname})"
    return f"{name} answers {code}: {words}" if code else f"{name} cannot be reached: {words}."


def telegram(settings: Telegram) -> str:
    """What Telegram says of the bot and the chat; empty when both are right."""
    token = secrets.of_telegram(settings)
    address = f"{settings.api_url.rstrip('/')}/bot{token}/getChat"
    data = urlencode({"chat_id": settings.chat_id}).encode()
    code, words = _ask(address, data=data, kind="application/x-www-form-urlencoded", hidden=token)
    if code == 200:
        return ""
    name = f"Telegram ({urlsplit(settings.api_url).hostname})"
    return (
        f"{name} answers {code}: {_said(words, 'description')}"
        if code
        else f"{name} cannot be reached: {words}."
    )


def discord(settings: Discord) -> str:
    """What Discord says of the webhook; empty when it is right.

    To read a webhook shows nothing to anybody: https://discord.com/developers/docs/resources/webhook
    """
    address = secrets.of_discord(settings)
    code, words = _ask(address, hidden=urlsplit(address).path)
    if code == 200:
        return ""
    name = f"Discord ({urlsplit(address).hostname})"
    return (
        f"{name} answers {code}: {_said(words, 'message')}" if code else f"{name} cannot be reached: {words}."
    )


def _of_mail(words: bytes | str, settings: Email, password: str | None) -> str:
    """The server's words without the password, in any form in which it was sent."""
    said = words if isinstance(words, str) else words.decode(errors="replace")
    if password is None:
        return _text(said)
    user = settings.user or ""
    for sent in (password, f"\0{user}\0{password}"):
        said = said.replace(sent, "***").replace(b64encode(sent.encode()).decode(), "***")
    return _text(said)


def _connected(settings: Email) -> smtplib.SMTP:
    """The server, greeted, with TLS where it is wanted. Raises OSError, SMTPException."""
    context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    if settings.port == 465:
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=_SECONDS, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=_SECONDS)
    try:
        server.ehlo()
        if settings.require_tls:
            server.starttls(context=context)
            server.ehlo()
    except BaseException:
        server.close()
        raise
    return server


def _ask(address: str, *, data: bytes | None = None, kind: str = "", hidden: str) -> tuple[int, str]:
    """Return status and body, or 0 and the reason where there is no answer.

    Nothing of the address is told, even where what answers repeats it; ``hidden`` is its secret.
    """
    try:
        answer = http.ask(
            address,
            timeout=_SECONDS,
            method="GET" if data is None else "POST",
            data=data,
            headers={"Content-Type": kind} if kind else None,
            most_bytes=_MOST_BYTES,
        )
    except http.NoAnswer as error:
        return 0, _without(str(error), hidden)
    return answer.status, _without(answer.text, hidden)


def _without(said: str, secret: str) -> str:
    """The words as one line, the secret and each part of it taken out."""
    was_cut = len(said.encode()) >= _MOST_BYTES
    parts = [each for each in re.split(r"[/:]", secret) if len(each) >= _SHORTEST]
    forms = sorted({secret, quote(secret, safe=""), *parts, *map(quote, parts)}, key=len, reverse=True)
    for each in forms:
        said = re.sub(re.escape(each), "***", said, flags=re.IGNORECASE)
    return _text(_without_beginning(said, forms) if was_cut else said)


def _without_beginning(said: str, forms: Iterable[str]) -> str:
    """The words without the beginning of a secret at their end, where they were cut within one."""
    for each in forms:
        for length in range(len(each) - 1, 0, -1):
            if said.lower().endswith(each[:length].lower()):
                return said[:-length]
    return said


def _said(words: str, field: str) -> str:
    """A field of an answer in JSON; the words themselves where it is none."""
    try:
        return errors.one_line(json_text.parse(words)[field])
    except (ValueError, KeyError, TypeError):
        return words


def _text(words: bytes | str) -> str:
    return errors.one_line(words if isinstance(words, str) else words.decode(errors="replace"))
