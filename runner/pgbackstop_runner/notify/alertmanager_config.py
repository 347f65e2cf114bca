"""Alertmanager's configuration, from the settings of pgbackstop and the templates in alerts/alertmanager."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

import jinja2

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.hours import WEEKDAYS
from pgbackstop_catalog.config.notifications import Notifications, QuietHours
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.notify import channels, events
from pgbackstop_runner.notify import secrets as notify_secrets

Version = tuple[int, int]
OLDEST: Version = (0, 25)
# The first that reads these secrets from files: the bot's token and a webhook's address.
# https://github.com/prometheus/alertmanager/releases/tag/v0.26.0
READS_ALL_FILES: Version = (0, 26)
# The first that reads Discord's address from its file, and that knows the workflows of Teams.
# https://github.com/prometheus/alertmanager/pull/3728
# https://github.com/prometheus/alertmanager/releases/tag/v0.28.0
KNOWS_WORKFLOWS: Version = (0, 28)
# 0.25 sends the newline at the end of such a file too, which no header may have.
_NEVER: Version = (1_000, 0)
_TEMPLATES = resources.files("pgbackstop_runner.notify") / "templates"
# By which news outlast the wait of further ones, so that each is told, and told before it ends.
_MARGIN = timedelta(seconds=30)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(\.\S*)?")


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The file's text, and whether a secret stands in it."""

    text: str
    holds_secrets: bool


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret as Alertmanager gets it: the file's name, or where ``file`` is None the text itself."""

    file: str | None
    text: str


@dataclass(frozen=True)
class _Kept:
    """A secret: its file where one is configured, what reads it, since when Alertmanager does so itself."""

    name: str
    path: Callable[[Notifications], Path | None]
    read: Callable[[Path], str]
    since: Version = OLDEST


def _url(what: str) -> Callable[[Path], str]:
    return partial(notify_secrets.read_url, what=what)


def _line(what: str) -> Callable[[Path], str]:
    return partial(notify_secrets.read, what=what)


_SECRETS: Final = (
    _Kept(
        "password",
        lambda of: of.email.password_file if of.email else None,
        _line("the mail server's password"),
    ),
    _Kept("slack", lambda of: of.slack.api_url_file if of.slack else None, _url("Slack's webhook")),
    _Kept(
        "telegram",
        lambda of: of.telegram.bot_token_file if of.telegram else None,
        notify_secrets.read_token,
        READS_ALL_FILES,
    ),
    _Kept(
        "discord",
        lambda of: of.discord.webhook_url_file if of.discord else None,
        _url("Discord's webhook"),
        KNOWS_WORKFLOWS,
    ),
    _Kept(
        "teams",
        lambda of: of.teams.webhook_url_file if of.teams else None,
        _url("the workflow"),
        KNOWS_WORKFLOWS,
    ),
    _Kept(
        "pagerduty",
        lambda of: of.pagerduty.routing_key_file if of.pagerduty else None,
        _line("the integration key"),
    ),
    _Kept(
        "opsgenie",
        lambda of: of.opsgenie.api_key_file if of.opsgenie else None,
        _line("the integration's key"),
        _NEVER,
    ),
    _Kept(
        "webhook",
        lambda of: of.webhook.url_file if of.webhook else None,
        _url("the webhook"),
        READS_ALL_FILES,
    ),
    _Kept("token", lambda of: of.webhook.token_file if of.webhook else None, _line("the webhook's token")),
    _Kept("watchdog", lambda of: of.watchdog_url_file, _url("the dead man's switch"), READS_ALL_FILES),
)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A time of Alertmanager's: within one day."""

    start: str
    end: str
    days: tuple[str, ...]
    location: str


def parse_version(text: str) -> Version:
    """``0.27`` or ``v0.27.0``. Raises ConfigError for anything else, and for what is too old."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise errors.ConfigError(
            f"{text!r} is no version of Alertmanager.", remedy="Write it like 0.25 or 0.28.1."
        )
    version = (int(found[1]), int(found[2]))
    if version < OLDEST:
        raise errors.ConfigError(
            f"Alertmanager {text} is too old.", remedy="Use 0.25 or later; Debian 12 has it."
        )
    return version


def render(settings: Notifications, *, version: Version = OLDEST, embed: bool = False) -> Rendered:
    """The configuration for that version or a later one; ``embed`` writes every secret into it.

    Raises ConfigError where a secret's file does not hold one, whether or not it is embedded:
    Alertmanager itself notices only when it has something to send.
    """
    if settings.teams is not None and version < KNOWS_WORKFLOWS:
        raise errors.ConfigError(
            "Microsoft Teams needs Alertmanager 0.28 or later.",
            remedy="Say which one you have, like --alertmanager-version 0.28, or take teams out.",
        )
    secrets = _secrets(settings, version, embed=embed)
    template = _environment().get_template("alertmanager.yml.j2")
    text = template.render(
        channels=channels.configured(settings),
        integrations=channels.INTEGRATIONS,
        pagers=channels.PAGERS,
        secrets=secrets,
        settings=settings,
        finished=settings.finished,
        grafana=(settings.grafana_url or "").rstrip("/"),
        quiet=[interval for hours in settings.quiet_hours for interval in intervals(hours)],
        group_wait=_duration(settings.group_wait),
        group_interval=_duration(settings.group_interval),
        news_interval=_duration((events.GOOD_NEWS - _MARGIN).total_seconds()),
        repeat_interval=_duration(settings.repeat_interval),
    )
    embedded = any(each is not None and each.file is None for each in secrets.values())
    return Rendered(text=text, holds_secrets=embedded)


def intervals(hours: QuietHours) -> list[Interval]:
    """The same within single days: Alertmanager's times do not pass midnight."""
    make = partial(Interval, location=hours.timezone)
    if hours.start < hours.end:
        return [make(start=hours.start, end=hours.end, days=hours.days)]
    evening = make(start=hours.start, end="24:00", days=hours.days)
    if hours.end == "00:00":
        return [evening]
    morning = tuple(WEEKDAYS[(WEEKDAYS.index(day) + 1) % 7] for day in hours.days)
    return [evening, make(start="00:00", end=hours.end, days=morning)]


def write(path: Path, text: str) -> None:
    """Replace the file, mode 0600; where root replaces somebody's file, it stays theirs.

    Raises PgbackstopError where that is impossible.
    """
    try:
        before = path.stat() if path.exists() else None
        if before is not None and not stat.S_ISREG(before.st_mode):
            raise _unwritable(path, "it is no ordinary file")
        place = path.resolve()  # a link stays one
        atomic.write(place, text.encode())
        if before is not None and os.geteuid() == 0:
            os.chown(place, before.st_uid, before.st_gid)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, reason: str) -> errors.PgbackstopError:
    return errors.PgbackstopError(
        f"{path} cannot be written: {reason}.", remedy="Name a file in a folder that you may write to."
    )


def _secrets(settings: Notifications, version: Version, *, embed: bool) -> dict[str, Secret | None]:
    """Every secret, or None for one that is not configured. Raises ConfigError."""
    return {
        each.name: Secret(file=None if embed or version < each.since else str(path), text=each.read(path))
        if (path := each.path(settings))
        else None
        for each in _SECRETS
    }


def _duration(seconds: float) -> str:
    """As Prometheus writes durations: whole numbers of units."""
    if seconds == 0:
        return "0s"
    return units.format_exact_duration(seconds) if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=False,  # noqa: S701 - YAML, where "quoted" is the escape
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = _quoted
    environment.globals["source"] = _source
    return environment


def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").rstrip("\n") + "\n"


def _quoted(value: object) -> str:
    """JSON is YAML; without ASCII alone, a name would be unreadable."""
    return json.dumps(value, ensure_ascii=False)
