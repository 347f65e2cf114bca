"""Alertmanager's configuration, from the settings of pgbackstop and the templates in alerts/alertmanager."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import jinja2

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.notifications import WEEKDAYS, Notifications, QuietHours
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.notify import channels
from pgbackstop_runner.notify import secrets as notify_secrets

Version = tuple[int, int]
OLDEST: Version = (0, 25)
# The first that reads these secrets from files: the bot's token and a webhook's address.
# https://github.com/prometheus/alertmanager/releases/tag/v0.26.0
READS_ALL_FILES: Version = (0, 26)
_TEMPLATES = resources.files("pgbackstop_runner.notify") / "templates"
_NONE: tuple[None, str] = (None, "")
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
    kept = partial(_secret, by_file=not embed)
    kept_lately = partial(_secret, by_file=not embed and version >= READS_ALL_FILES)
    secrets = {
        "password": kept(*_password(settings)),
        "api_url": kept(*_webhook(settings)),
        "bot_token": kept_lately(*_token(settings)),
        "watchdog": kept_lately(*_watchdog(settings)),
    }
    template = _environment().get_template("alertmanager.yml.j2")
    text = template.render(
        channels=channels.configured(settings),
        secrets=secrets,
        email=settings.email,
        slack=settings.slack,
        telegram=settings.telegram,
        finished=settings.finished,
        grafana=(settings.grafana_url or "").rstrip("/"),
        quiet=[interval for hours in settings.quiet_hours for interval in intervals(hours)],
        group_wait=_duration(settings.group_wait),
        group_interval=_duration(settings.group_interval),
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


def _secret(path: Path | None, text: str, *, by_file: bool) -> Secret | None:
    return None if path is None else Secret(file=str(path) if by_file else None, text=text)


def _password(settings: Notifications) -> tuple[Path | None, str]:
    email = settings.email
    return (email.password_file, notify_secrets.of_email(email) or "") if email else _NONE


def _webhook(settings: Notifications) -> tuple[Path | None, str]:
    slack = settings.slack
    return (slack.api_url_file, notify_secrets.of_slack(slack)) if slack else _NONE


def _token(settings: Notifications) -> tuple[Path | None, str]:
    telegram = settings.telegram
    return (telegram.bot_token_file, notify_secrets.of_telegram(telegram)) if telegram else _NONE


def _watchdog(settings: Notifications) -> tuple[Path | None, str]:
    path = settings.watchdog_url_file
    return (path, notify_secrets.read_url(path, "the dead man's switch")) if path else _NONE


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
