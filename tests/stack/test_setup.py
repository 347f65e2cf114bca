"""What setup writes from the settings of .env, and what it says where one of them cannot be used."""

import importlib
import stat
from pathlib import Path
from types import ModuleType
from typing import Any

import bcrypt
import pytest
import yaml

RUNNER = Path(__file__).resolve().parents[2] / "compose" / "runner"


def _load() -> ModuleType:
    """As a program is loaded that lies there."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(RUNNER))
        return importlib.import_module("setup")


setup = _load()

SETTINGS = {
    "POSTGRES_HOST": "db.example",
    "POSTGRES_PORT": "5432",
    "POSTGRES_USER": "pgbackstop",
    "POSTGRES_SSLMODE": "prefer",
    "SERVER_NAME": "main",
    "ALERT_EMAIL_TO": "",
    "ALERT_EMAIL_FROM": "",
    "ALERT_SMTP_SERVER": "",
    "ALERT_SMTP_USER": "",
    "ALERT_SMTP_REQUIRE_TLS": "true",
    "ALERT_SLACK_CHANNEL": "",
    "ALERT_TELEGRAM_CHAT_ID": "",
    "GRAFANA_URL": "http://127.0.0.1:3000",
    "CONSOLE_URL": "http://127.0.0.1:9854",
}
DEMO = SETTINGS | {"POSTGRES_HOST": "demo-postgres", "SERVER_NAME": "shop"}


class Place:
    """The folders of one container, and the files that .env would name."""

    def __init__(self, folder: Path) -> None:
        self.places = setup.Places(
            config=folder / "config",
            setup=folder / "setup",
            given=folder / "given",
            backups=folder / "backups",
        )
        for path in (self.places.config, self.places.given):
            path.mkdir(parents=True)
        for name in ("alertmanager", "demo", "demo-shop", "exporter", "grafana", "postgres-exporter"):
            (self.places.setup / name).mkdir(parents=True)

    def give(self, name: str, text: str) -> None:
        (self.places.given / name).write_text(text)

    def prepare(self, **settings: str) -> str:
        return "\n".join(setup.prepare(SETTINGS | settings, self.places))

    def refused(self, **settings: str) -> str:
        with pytest.raises(setup.BadSetting) as raised:
            setup.prepare(SETTINGS | settings, self.places)
        return str(raised.value)

    def configuration(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.places.config / "pgbackstop.yaml").read_text()))

    def files(self) -> dict[str, tuple[int, str]]:
        folders = (self.places.config, self.places.setup)
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {path.name: (stat.S_IMODE(path.stat().st_mode), path.read_text()) for path in found}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.give("postgres_password", "se'cret\n")
    return made


def test_a_server_of_ones_own(place: Place) -> None:
    place.prepare(POSTGRES_HOST='odd "host": {x}', SERVER_NAME="main")
    server = place.configuration()["servers"]["main"]
    assert server["host"] == 'odd "host": {x}'
    assert server["password_file"] == "postgres.password"
    assert place.configuration()["notifications"]["alertmanager"]["url"] == "http://alertmanager:9093"
    files = place.files()
    assert files["password"] == (0o640, "se'cret")
    for name in ("postgres.password", "pgbackstop.yaml"):
        # The exporter has an account of its own, and reads its copies by the group.
        folders = (place.places.config, place.places.exporter)
        assert [stat.S_IMODE((each / name).stat().st_mode) for each in folders] == [0o600, 0o640]
    assert files["postgres.password"][1] == "se'cret\n"
    assert files["alertmanager.yml"][0] == 0o640


def test_postgres_exporter_gets_a_mode_that_it_knows(place: Place) -> None:
    place.prepare()
    assert place.files()["uri"][1] == "db.example:5432/postgres?sslmode=disable"
    place.give("postgres_sslrootcert", "-----BEGIN CERTIFICATE-----\n")
    place.prepare(POSTGRES_SSLMODE="verify-full")
    assert place.files()["uri"][1].endswith(
        "sslmode=verify-full&sslrootcert=%2Frun%2Fpostgres-exporter%2Fca.pem"
    )
    assert place.configuration()["servers"]["main"]["sslrootcert"] == "ca.pem"


def test_random_passwords_stay_and_differ(place: Place) -> None:
    setup.prepare(DEMO, place.places)
    first = {name: text for name, (_, text) in place.files().items() if name.endswith(".password")}
    setup.prepare(DEMO, place.places)
    assert {name: text for name, (_, text) in place.files().items() if name.endswith(".password")} == first
    random = {first[name] for name in ("admin.password", "postgres.password", "shop.password")}
    assert len(random) == 3
    assert min(map(len, random)) >= 8


def test_the_exporter_gets_one_password_and_no_other_secret(place: Place) -> None:
    place.give("slack_url", "https://hooks.slack.com/services/T/B/secret")
    setup.prepare({**DEMO, "ALERT_SLACK_CHANNEL": "#backups"}, place.places)
    given = {path.name: path.read_text() for path in place.places.exporter.iterdir()}
    assert set(given) == {"pgbackstop.yaml", "postgres.password"}
    assert given["postgres.password"] == (place.places.config / "postgres.password").read_text()
    superuser = (place.places.setup / "demo" / "postgres.password").read_text()
    assert superuser not in "".join(given.values())


def test_the_console_has_one_user_whose_hash_stays(place: Place) -> None:
    place.prepare()
    console, files = place.configuration()["console"], place.files()
    assert (console["listen"], console["public_url"]) == ("0.0.0.0:9854", "http://127.0.0.1:9854")
    mode, password = files["console.password"]
    stored = console["users"]["admin"]["password_hash"]
    assert (mode, len(password), console["users"]["admin"]["role"]) == (0o600, 32, "admin")
    assert bcrypt.checkpw(password.encode(), stored.encode())
    assert password not in files["pgbackstop.yaml"][1]
    place.prepare()
    assert place.configuration()["console"] == console
    (place.places.config / "console.password").write_text("another one, of a person")
    place.prepare()
    changed = place.configuration()["console"]["users"]["admin"]["password_hash"]
    assert bcrypt.checkpw(b"another one, of a person", changed.encode())
    (place.places.config / "console.password").write_text("short")
    assert "console.password" in place.refused()


@pytest.mark.parametrize("own", [False, True])
def test_the_exporter_gets_no_user_of_the_console(place: Place, own: bool) -> None:
    if own:
        place.prepare()
        document = {**place.configuration(), "plans": {}}
        place.give("pgbackstop_config", yaml.safe_dump(document, allow_unicode=True))
    place.prepare()
    given = yaml.safe_load((place.places.exporter / "pgbackstop.yaml").read_text())
    assert given == {name: each for name, each in place.configuration().items() if name != "console"}


def test_the_shop_and_its_restore_know_one_token(place: Place) -> None:
    setup.prepare(DEMO, place.places)
    application = place.configuration()["servers"]["shop"]["application"]
    assert set(application) == {"stop", "start", "check"}
    mode, token = place.files()[application["stop"]["token_file"]]
    assert (mode, len(token)) == (0o600, 32)
    assert place.files()["maintenance.token"] == (0o640, token)
    assert (place.places.setup / "demo-shop" / "shop.password").read_text() == (
        place.places.setup / "demo" / "shop.password"
    ).read_text()


def test_a_server_of_ones_own_has_no_shop(place: Place) -> None:
    place.prepare()
    assert "application" not in place.configuration()["servers"]["main"]
    assert not {"shop.token", "maintenance.token"} & set(place.files())


def test_no_channel_is_said_loudly(place: Place) -> None:
    assert "WARNING: ALERTS REACH NOBODY" in place.prepare()


def test_every_channel(place: Place) -> None:
    place.give("smtp_password", "hush-mail")
    place.give("slack_url", "https://hooks.slack.com/services/T/B/hush-slack\n")
    place.give("telegram_token", "1:hush-telegram")
    place.give("watchdog_url", "https://switch.example/hush-switch")
    said = place.prepare(
        ALERT_EMAIL_TO="a@shop.example, b@shop.example",
        ALERT_EMAIL_FROM="pgbackstop@shop.example",
        ALERT_SMTP_SERVER="smtp.shop.example:587",
        ALERT_SMTP_USER="pgbackstop",
        ALERT_SLACK_CHANNEL="#backups",
        ALERT_TELEGRAM_CHAT_ID="-100",
    )
    assert said == "Alerts go to email, slack, telegram."
    document = place.configuration()["notifications"]
    assert document["email"]["to"] == ["a@shop.example", "b@shop.example"]
    assert document["telegram"]["chat_id"] == -100
    modes = {name: mode for name, (mode, text) in place.files().items() if "hush-" in text}
    assert set(modes.values()) == {0o640}
    assert not any("hush-" in text for text in yaml.safe_dump(document).split())
    for name in ("slack_url", "telegram_token"):
        place.give(name, "")
    assert "slack" not in place.prepare()
    assert "slack.url" not in place.files()


def test_a_configuration_of_ones_own(place: Place) -> None:
    place.give(
        "pgbackstop_config",
        "servers: {crm: {host: db, password_file: postgres.password}}\n"
        f"storages: {{disk: {{path: {place.places.backups}}}}}\n",
    )
    assert "PGBACKSTOP_CONFIG_FILE" in place.prepare()
    assert list(place.configuration()["servers"]) == ["crm"]


def test_the_storage_is_made_at_the_first_start_only(place: Place) -> None:
    place.prepare()
    mark = place.places.backups / "storage.json"
    assert (place.places.backups / "catalog" / "catalog.json").exists()
    mark.unlink()  # as where the disk of the backups is not mounted any more
    place.prepare()
    assert not mark.exists()


def test_a_start_that_failed_was_none(place: Place) -> None:
    with pytest.raises(setup.BadSetting):
        place.prepare(SERVER_NAME="a b")
    place.prepare()
    assert (place.places.backups / "storage.json").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"POSTGRES_PORT": "five"}, "POSTGRES_PORT must be a number, not 'five'"),
        ({"POSTGRES_PORT": "70000"}, "servers.main.port: must be a port from 1 to 65535"),
        ({"POSTGRES_SSLMODE": "always"}, "sslmode"),
        ({"SERVER_NAME": "a b"}, "is no name"),
        ({"ALERT_EMAIL_TO": "a@shop.example"}, "ALERT_EMAIL_FROM and ALERT_SMTP_SERVER must be, too"),
        ({"ALERT_TELEGRAM_CHAT_ID": "1"}, "belong together: set both or none"),
        (
            {
                "ALERT_EMAIL_TO": "a@b.example",
                "ALERT_EMAIL_FROM": "c@b.example",
                "ALERT_SMTP_SERVER": "nowhere",
            },
            "smarthost",
        ),
    ],
)
def test_settings_that_cannot_be_used(place: Place, settings: dict[str, str], words: str) -> None:
    assert words in place.refused(**settings)


def test_a_password_is_needed(place: Place) -> None:
    place.give("postgres_password", "")
    assert "POSTGRES_PASSWORD_FILE names no file, or an empty one" in place.refused()


def test_a_file_that_is_a_folder(place: Place) -> None:
    (place.places.given / "slack_url").mkdir()
    assert "ALERT_SLACK_URL_FILE names a folder" in place.refused()


@pytest.mark.parametrize(("password", "user"), [("two words\n", "pgbackstop"), ("one", "the user")])
def test_what_postgres_exporter_would_cut_and_write_into_its_log(
    place: Place, password: str, user: str
) -> None:
    place.give("postgres_password", password)
    told = place.refused(POSTGRES_USER=user)
    assert "has a space: postgres_exporter cannot use it" in told
    assert "words" not in told
