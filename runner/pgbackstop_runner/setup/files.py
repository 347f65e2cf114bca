"""The files of a first configuration: made whole or not at all, and never in the place of another."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load
from pgbackstop_catalog.config.yaml_file import BadConfig
from pgbackstop_runner.setup import answers as first_answers
from pgbackstop_runner.setup.answers import Answers

ROLE_SCRIPT = "create-role.sql"


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the files are."""

    configuration: Path
    role_script: Path
    password_file: Path | None


def password_path(file: Path, answers: Answers) -> Path | None:
    """Where the password is, as the configuration in ``file`` means it. Raises ConfigError."""
    if not answers.password_file:
        return None
    try:
        return file.parent.absolute() / Path(answers.password_file).expanduser()
    except RuntimeError as error:
        raise errors.ConfigError(
            f"{answers.password_file!r} names a home that does not exist.",
            remedy="Write the path from / on.",
        ) from error


def require_new(file: Path) -> None:
    """Raises ConfigError where the configuration is there already."""
    if file.exists() or file.is_symlink():
        raise errors.ConfigError(
            f"{file} exists; nothing was written.",
            remedy="Change it with an editor, or name another one: 'pgbackstop -c PATH init'.",
        )


def write(file: Path, answers: Answers, password: str | None) -> Written:
    """Write configuration, role's script, and the password where one is given.

    Raises ConfigError where something is there already or cannot be written; then nothing was.
    """
    first_answers.check(answers)
    require_new(file)
    script, secret = file.with_name(ROLE_SCRIPT), password_path(file, answers)
    text, sql = first_answers.configuration(answers), first_answers.role_script(answers.user)
    try:
        _make_folder(file.parent, 0o755)
        _validate(file, text)
        with contextlib.ExitStack() as undo:
            if secret is not None and password is not None:
                _make_folder(secret.parent, 0o700)
                _new(undo, secret, f"{password}\n", 0o600)
            if not (script.is_file() and script.read_text(encoding="utf-8") == sql):
                _new(undo, script, sql, 0o644)
            _new(undo, file, text, 0o644)
            undo.pop_all()
    except FileExistsError as error:
        raise errors.ConfigError(
            f"{error.filename} exists; nothing was written.", remedy="Move it away, or choose another folder."
        ) from error
    except OSError as error:
        raise errors.ConfigError(
            f"{error.filename or file} cannot be written: {error.strerror}.",
            remedy="Check the folder's owner, mode and free space; nothing was written.",
        ) from error
    return Written(configuration=file, role_script=script, password_file=secret)


def _make_folder(folder: Path, mode: int) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=mode, parents=True)


def _validate(file: Path, text: str) -> None:
    """Let the reader of the configuration judge it before it is there."""
    with tempfile.TemporaryDirectory(prefix=".pgbackstop-", dir=file.parent) as folder:
        trial = Path(folder, file.name)
        trial.write_text(text, encoding="utf-8")
        try:
            load.load(trial)
        except BadConfig as error:
            wrong = "; ".join(f"{each.key}: {each.problem}" for each in error.problems)
            raise errors.ConfigError(
                f"These answers make no configuration: {wrong}.", remedy="Nothing was written; give others."
            ) from error


def _new(undo: contextlib.ExitStack, path: Path, text: str, mode: int) -> None:
    """Make a file that is gone again where what follows fails. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    undo.callback(path.unlink, missing_ok=True)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
