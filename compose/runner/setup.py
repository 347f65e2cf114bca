"""Writes what the stack's services read: pgbackstop's and Alertmanager's configuration, and the passwords.

It runs once at each ``docker compose up``, from the settings of .env and the files that they name. What it
writes goes into the volume of the one service that reads it; a random password stays what it was.

Exit status 0, or 2 with one sentence about a setting that cannot be used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt
import yaml
from stack_settings import (
    FOR_GROUP,
    FOR_OWNER,
    BadSetting,
    Places,
    given,
    is_yes,
    keep_random,
    number,
    write,
)

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load
from pgbackstop_runner import workspace
from pgbackstop_runner.notify import alertmanager_config
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import password_hash

DEMO_HOST = "demo-postgres"
SHOP = "http://demo-shop:8000"
SHOP_TOKEN = "shop.token"  # noqa: S105 - the name of its file
CA = "ca.pem"


def prepare(settings: Mapping[str, str], places: Places) -> list[str]:
    """Write everything; returns what a person should know. Raises BadSetting."""
    demo = settings["POSTGRES_HOST"] == DEMO_HOST
    keep_random(places.setup / "grafana" / "admin.password")
    _passwords(settings, places, demo=demo)
    channels = _channels(settings, places)
    own = given(places, "pgbackstop_config", "PGBACKSTOP_CONFIG_FILE")
    first = not (places.config / "pgbackstop.yaml").exists()
    document = own or _yaml(_document(settings, places, channels, demo=demo))
    write(places.config / "pgbackstop.yaml", document, FOR_OWNER)
    write(places.exporter / "pgbackstop.yaml", _without_console(document), FOR_GROUP)
    try:
        _alertmanager(places)
    except BadSetting:
        if first:
            (places.config / "pgbackstop.yaml").unlink()
        raise
    # Only the first time: later, a storage that is not there is one that is not mounted.
    lines = _storages(places) if first else []
    return [*lines, *_words(channels, own=bool(own), demo=demo)]


def _storages(places: Places) -> list[str]:
    """Make the storages and the catalog; what could not be made is left to a person."""
    opened = workspace.open_workspace(
        places.config / "pgbackstop.yaml", on_invalid_record=lambda _error: None
    )
    try:
        identity.create_all(opened, replace=True)  # on a new host, of backups that were brought back
    except errors.PgbackstopError as error:
        how = "docker compose exec runner pgbackstop storage create"
        return [f"WARNING: a storage could not be made: {error} Then run `{how}`."]
    return []


def _passwords(settings: Mapping[str, str], places: Places, *, demo: bool) -> None:
    password = given(places, "postgres_password", "POSTGRES_PASSWORD_FILE")
    if not password and not demo:
        raise BadSetting(
            "POSTGRES_PASSWORD_FILE names no file, or an empty one: write the password of the role into a "
            "file and name it in .env."
        )
    for name in ("postgres", "shop", "pgbackstop") if demo else ():
        keep_random(places.setup / "demo" / f"{name}.password")
    password = password or (places.setup / "demo" / "pgbackstop.password").read_text()
    certificate = given(places, "postgres_sslrootcert", "POSTGRES_SSLROOTCERT_FILE")
    for folder, mode in ((places.config, FOR_OWNER), (places.exporter, FOR_GROUP)):
        write(folder / "postgres.password", password, mode)
        _write_or_remove(folder / CA, certificate, mode)
    _postgres_exporter(settings, places.setup / "postgres-exporter", password, certificate)
    if demo:
        _demo(places)


def _demo(places: Places) -> None:
    """What a restore needs of the demo's server, and what the shop and the restore know of each other."""
    server, shop = places.setup / "demo", places.setup / "demo-shop"
    write(places.config / "restore.password", (server / "postgres.password").read_text(), FOR_OWNER)
    write(shop / "shop.password", (server / "shop.password").read_text(), FOR_GROUP)
    keep_random(shop / "maintenance.token")
    write(places.config / SHOP_TOKEN, (shop / "maintenance.token").read_text(), FOR_OWNER)


def _postgres_exporter(settings: Mapping[str, str], folder: Path, password: str, certificate: str) -> None:
    """Its driver knows neither "prefer" nor "allow": it tries no encryption where libpq may.

    Raises BadSetting for a space: it cuts its connection string at each, and then logs all of it.
    """
    password = password.partition("\n")[0]
    if " " in password + settings["POSTGRES_USER"]:
        raise BadSetting(
            "The password in POSTGRES_PASSWORD_FILE, or POSTGRES_USER, has a space: postgres_exporter cannot "
            "use it. Give the role another one."
        )
    asked = settings["POSTGRES_SSLMODE"]
    parameters = {"sslmode": "disable" if asked in {"allow", "prefer"} else asked}
    _write_or_remove(folder / CA, certificate, FOR_GROUP)
    if certificate:
        parameters["sslrootcert"] = f"/run/postgres-exporter/{CA}"
    address = f"{settings['POSTGRES_HOST']}:{number(settings, 'POSTGRES_PORT')}"
    write(folder / "uri", f"{address}/postgres?{urlencode(parameters)}", FOR_GROUP)
    write(folder / "user", settings["POSTGRES_USER"], FOR_GROUP)
    write(folder / "password", password, FOR_GROUP)


def _write_or_remove(path: Path, text: str, mode: int) -> None:
    if text:
        write(path, text, mode)
    else:
        path.unlink(missing_ok=True)


def _document(
    settings: Mapping[str, str], places: Places, channels: Mapping[str, Any], *, demo: bool
) -> dict[str, Any]:
    server: dict[str, Any] = {
        "host": settings["POSTGRES_HOST"],
        "port": number(settings, "POSTGRES_PORT"),
        "user": settings["POSTGRES_USER"],
        "password_file": "postgres.password",
        "sslmode": settings["POSTGRES_SSLMODE"],
    }
    if (places.config / CA).exists():
        server["sslrootcert"] = CA
    if demo:
        server["restore_role"] = {"user": "postgres", "password_file": "restore.password"}
        server["application"] = {
            "stop": {"url": f"{SHOP}/maintenance/stop", "token_file": SHOP_TOKEN},
            "start": {"url": f"{SHOP}/maintenance/start", "token_file": SHOP_TOKEN},
            "check": {"url": f"{SHOP}/health"},
        }
    return {
        "servers": {settings["SERVER_NAME"]: server},
        "storages": {"backups": {"kind": "folder", "path": str(places.backups)}},
        "notifications": {
            "alertmanager": {"url": "http://alertmanager:9093"},
            "grafana_url": settings["GRAFANA_URL"],
            **channels,
        },
        "console": {
            "listen": "0.0.0.0:9854",  # of the container; its port is published on this host only
            "public_url": settings["CONSOLE_URL"],
            "users": {"admin": {"role": "admin", "password_hash": _console_hash(places)}},
        },
    }


def _console_hash(places: Places) -> str:
    """Of the admin's random password; the same as before, because another one would end every session."""
    kept = places.config / "console.password"
    stored = places.config / "console.hash"
    keep_random(kept, FOR_OWNER)
    password = kept.read_text().strip()
    if not stored.exists() or not bcrypt.checkpw(password.encode(), stored.read_bytes()):
        try:
            write(stored, password_hash.hashed(password), FOR_OWNER)
        except errors.ConfigError as error:
            raise BadSetting(f"console.password of the volume config: {error}") from None
    return stored.read_text()


def _without_console(document: str) -> str:
    """For the exporter, which faces the network and lets nobody into the console."""
    try:
        found = yaml.safe_load(document)
    except yaml.YAMLError:  # is said where the runner's copy is checked
        return document
    if not isinstance(found, dict) or found.pop("console", None) is None:
        return document
    return _yaml(found)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _channels(settings: Mapping[str, str], places: Places) -> dict[str, Any]:
    """The keys of ``notifications`` for the channels that .env names. Their secrets are written."""

    def secret(name: str, setting: str) -> str | None:
        return _secret_of_channel(places, name, setting)

    found: dict[str, Any] = {}
    if settings["ALERT_EMAIL_TO"]:
        found["email"] = _email(settings, secret)
    slack = secret("slack_url", "ALERT_SLACK_URL_FILE")
    if slack:
        channel = settings["ALERT_SLACK_CHANNEL"]
        found["slack"] = {"api_url_file": slack} | ({"channel": channel} if channel else {})
    telegram = secret("telegram_token", "ALERT_TELEGRAM_TOKEN_FILE")
    if bool(telegram) != bool(settings["ALERT_TELEGRAM_CHAT_ID"]):
        raise BadSetting(
            "ALERT_TELEGRAM_TOKEN_FILE and ALERT_TELEGRAM_CHAT_ID belong together: set both or none."
        )
    if telegram:
        found["telegram"] = {
            "bot_token_file": telegram,
            "chat_id": number(settings, "ALERT_TELEGRAM_CHAT_ID"),
        }
    watchdog = secret("watchdog_url", "ALERT_WATCHDOG_URL_FILE")
    if watchdog:
        found["watchdog_url_file"] = watchdog
    return found


def _email(settings: Mapping[str, str], secret: Callable[[str, str], str | None]) -> dict[str, Any]:
    missing = [name for name in ("ALERT_EMAIL_FROM", "ALERT_SMTP_SERVER") if not settings[name]]
    if missing:
        raise BadSetting(f"ALERT_EMAIL_TO is set, so {' and '.join(missing)} must be, too.")
    password = secret("smtp_password", "ALERT_SMTP_PASSWORD_FILE")
    login = {"user": settings["ALERT_SMTP_USER"]} if settings["ALERT_SMTP_USER"] else {}
    return {
        "to": [each.strip() for each in settings["ALERT_EMAIL_TO"].split(",") if each.strip()],
        "sender": settings["ALERT_EMAIL_FROM"],
        "smarthost": settings["ALERT_SMTP_SERVER"],
        "require_tls": is_yes(settings, "ALERT_SMTP_REQUIRE_TLS"),
        **login,
        **({"password_file": password} if password else {}),
    }


def _secret_of_channel(places: Places, name: str, setting: str) -> str | None:
    """Alertmanager sees it under the same path."""
    text = given(places, name, setting)
    path = places.alertmanager / name.replace("_", ".")
    if not text:
        path.unlink(missing_ok=True)
        return None
    write(path, text.strip(), FOR_GROUP)
    return str(path)


def _alertmanager(places: Places) -> None:
    """Its configuration, from pgbackstop's, which is checked on the way."""
    try:
        config = load.load(places.config / "pgbackstop.yaml")
        rendered = alertmanager_config.render(config.notifications)
    except errors.PgbackstopError as error:
        raise BadSetting(f"These settings cannot be used:\n{error}") from None
    write(places.alertmanager / "alertmanager.yml", rendered.text, FOR_GROUP)


def _words(channels: Mapping[str, Any], *, own: bool, demo: bool) -> list[str]:
    names = [name for name in ("email", "slack", "telegram") if name in channels]
    lines = ["The demo's PostgreSQL is backed up: nothing of yours is."] if demo else []
    if own:
        lines.append(
            "pgbackstop.yaml is yours (PGBACKSTOP_CONFIG_FILE); of .env, only what it does not say counts."
        )
    elif names:
        lines.append(f"Alerts go to {', '.join(names)}.")
    else:
        lines.append(
            "WARNING: ALERTS REACH NOBODY. No channel is set: fill in mail, Slack or Telegram in .env, then "
            "run `docker compose up --detach` again."
        )
    return lines


def main() -> int:
    """Prepare, and say what there is to say."""
    os.umask(0o077)
    try:
        lines = prepare(os.environ, Places())
    except BadSetting as error:
        sys.stderr.write(f"setup: {error}\n")
        return 2
    sys.stdout.writelines(f"setup: {line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
