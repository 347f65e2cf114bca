"""`pgbackstop init` as a program: what it writes, asks, and never overwrites."""

import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config import load
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_runner.setup import answers as first_answers
from pgbackstop_runner.setup.answers import Answers, BackupTypes
from tests.support import forks, terminal

ARGV = [sys.executable, "-m", "pgbackstop_runner.main"]
PACKAGE = resources.files("pgbackstop_runner")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "PGBACKSTOP_CONFIG"}
    return forks.run(*arguments, cwd=folder, env=env)


def read(tmp_path: Path, answers: Answers) -> Config:
    file = tmp_path / "made.yaml"
    file.write_text(first_answers.configuration(answers))
    return load.load(file)


def test_without_answers_it_is_the_example() -> None:
    assert first_answers.configuration(Answers()) == PACKAGE.joinpath("example.yaml").read_text()
    assert first_answers.role_script("pgbackstop") == PACKAGE.joinpath("create-role.sql").read_text()


@pytest.mark.parametrize(
    "given",
    [
        {"host": "/run/postgresql", "port": 5433, "user": "Back.up@site", "storage": "store"},
        {"host": "fe80::1%eth0", "storage": "/srv/a b: #c", "password_file": "~/x y"},
        {
            "host": "yes",
            "user": "null",
            "storage": "q\"u\\o'te ü",
            "password_file": "secrets/no",
            "name": "on",
        },
        {"host": "10", "storage": "1e3", "name": "9"},
    ],
)
@pytest.mark.parametrize("types", BackupTypes)
def test_the_reader_finds_the_answers(tmp_path: Path, types: BackupTypes, given: dict[str, Any]) -> None:
    answers = Answers(**given, backup_types=types)
    config = read(tmp_path, answers)
    (name, server), (storage,) = next(iter(config.servers.items())), config.storages.values()
    assert (name, server.host, server.port, server.user) == (
        answers.name,
        answers.host,
        answers.port,
        answers.user,
    )
    assert config.folder("disk").path == tmp_path / answers.storage
    assert storage.kind == "folder"
    secret = answers.password_file
    assert server.password_file == (tmp_path / Path(secret).expanduser() if secret else None)
    wanted = ("logical", "physical") if types is BackupTypes.BOTH else (types.value,)
    assert {key: plan.backup_type for key, plan in config.plans.items()} == {
        f"{answers.name}-{each}": each for each in wanted
    }
    assert {plan.server for plan in config.plans.values()} == {answers.name}
    # A slot holds WAL back for base backups; without them for nobody.
    assert server.wal.enabled == ("physical" in wanted)


def test_the_script_makes_the_role_that_was_named() -> None:
    script = first_answers.role_script("Back-up")
    assert "rolname = 'Back-up'" in script
    statements = [line for line in script.splitlines() if not line.startswith("--")]
    for line in statements:
        assert not re.search(r"(ROLE|TO) pgbackstop", line)
    assert sum('"Back-up"' in line for line in statements) == 7


def test_flags_alone_are_enough_and_nothing_is_overwritten(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--host", "db.internal", "--storage", "store", "--backup-type", "logical")
    assert done.returncode == 0, done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {"pgbackstop.yaml", "create-role.sql"}
    assert run(tmp_path, "config", "check").returncode == 0
    before = (tmp_path / "pgbackstop.yaml").read_text()
    again = run(tmp_path, "init", "--host", "other")
    assert again.returncode == 2
    assert "exists; nothing was written" in again.stderr
    assert (tmp_path / "pgbackstop.yaml").read_text() == before


@pytest.mark.parametrize(
    ("address", "place", "needs"),
    [
        ("s3://backups", "backups", {"access_key_id_file", "secret_access_key_file"}),
        ("s3://backups/a/b/", "backups/a/b", {"access_key_id_file", "secret_access_key_file"}),
        ("https://minio:9000/backups/x", "backups/x", {"access_key_id_file", "secret_access_key_file"}),
        ("gs://backups/x", "gs://backups/x", {"credentials_file"}),
        ("azure://me/box/x", "azure://me/box/x", {"account_key_file"}),
        ("sftp://u@host/~/a%20b", "sftp://u@host:22/~/a b", {"known_hosts_file", "key_file"}),
        ("sftp://u@[::1]:2222/srv/b", "sftp://u@::1:2222/srv/b", {"known_hosts_file", "key_file"}),
    ],
)
@pytest.mark.parametrize("types", BackupTypes)
def test_copies_go_to_the_address(
    tmp_path: Path, types: BackupTypes, address: str, place: str, needs: set[str]
) -> None:
    config = read(tmp_path, Answers(copies=address, backup_types=types))
    storage = config.storages["offsite"]
    assert storage.place == place
    named = {key for key, value in storage.model_dump().items() if isinstance(value, Path)}
    assert named == needs
    assert {plan.copies for plan in config.plans.values()} == {("offsite",)}
    assert getattr(storage, "endpoint", None) == ("https://minio:9000" if "minio" in address else None)


def test_what_the_storage_of_copies_lacks_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--copies", "sftp://u@backup.example:2222/srv/backups")
    assert done.returncode == 0, done.stderr
    assert "ssh-keyscan -p 2222 backup.example > known_hosts" in done.stdout
    assert "ssh-keygen -t ed25519 -N '' -f secrets/sftp-key" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--copies", "sftp://u:secret@h/x"], "A password must not stand in an address"),
        (["--copies", "sftp://h/x"], "is no address of a storage for copies"),
        (["--copies", "ftp://u@h/x"], "sftp://USER@HOST"),
        (["--copies", "http://minio/b"], "is no address of a storage for copies"),
        (["--copies", "azure://account"], "is no address of a storage for copies"),
        (["--copies", "s3://b?x=1"], "is no address of a storage for copies"),
        (["--copies", "s3://[::1"], "is no address of a storage for copies"),
        (["--copies", "s3://"], "is no address of a storage for copies"),
        (["--copies", "sftp://u@h/../x"], "These answers make no configuration"),
        (["--host", "db:70000"], "'70000' is no port"),
        (["--name", "a b"], "is no name of a server"),
        (["--user", "a'; drop"], "is no role"),
        (["--storage", "a\nb"], "cannot be the storage"),
        (["--password-file", "~nobody-of-that-name/x"], "names a home that does not exist"),
    ],
)
def test_what_makes_no_configuration_leaves_nothing(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run(tmp_path, "init", *arguments)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert words in done.stderr


def test_a_script_of_another_keeps_everything_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "create-role.sql").write_text("-- mine\n")
    done = run(tmp_path, "init")
    assert done.returncode == 2
    assert "create-role.sql exists; nothing was written" in done.stderr
    assert (tmp_path / "create-role.sql").read_text() == "-- mine\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_six_questions_are_asked(tmp_path: Path) -> None:
    code, said = terminal.answer(
        [*ARGV, "-c", "etc/shop.yaml", "init", "--name", "shop"],
        [
            ("Host of PostgreSQL", "[::1]:6543"),
            ("Role that makes the backups", ""),
            ("Password of pgbackstop", "of this test"),
            ("Again", "of this test"),
            ("Folder for the backups", "store"),
            ("Address of a storage for copies", ""),
            ("Back up what", "physical"),
        ],
        cwd=tmp_path,
    )
    assert code == 0, said
    assert "of this test" not in said
    config = load.load(tmp_path / "etc" / "shop.yaml")
    server = config.servers["shop"]
    assert (server.host, server.port, server.user) == ("::1", 6543, "pgbackstop")
    assert list(config.plans) == ["shop-physical"]
    secret = tmp_path / "etc" / "secrets" / "shop"
    assert (server.password_file, secret.read_text()) == (secret, "of this test\n")
    assert (secret.stat().st_mode & 0o777, secret.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_two_passwords_that_differ_leave_nothing(tmp_path: Path) -> None:
    code, said = terminal.answer(
        [*ARGV, "init", "--host", "h", "--user", "u"],
        [("Password of u", "one"), ("Again", "two")],
        cwd=tmp_path,
    )
    assert (code, list(tmp_path.iterdir())) == (2, []), said
    assert "differ" in said


def test_a_check_that_fails_is_the_exit_code_and_the_files_stay(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--host", str(tmp_path), "--storage", "store", "--check")
    assert done.returncode == 3, done.stderr
    assert "storage create" in done.stdout
    assert (tmp_path / "pgbackstop.yaml").exists()
