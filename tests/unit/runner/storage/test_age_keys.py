"""Files of keys: read, made, and refused without a word of what stands in them."""

import subprocess
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.storage import age_keys
from tests.support import keys


def test_a_generated_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    public = age_keys.generate(tmp_path / "identity")
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "identity").read_text()
    assert f"# public key: {public}\n" in text
    assert len(age_keys.identities([tmp_path / "identity"])) == 1
    with pytest.raises(errors.ConfigError, match="is there already"):
        age_keys.generate(tmp_path / "identity")
    assert (tmp_path / "identity").read_text() == text


@pytest.mark.parametrize("name", ["no/folder/identity", "link"])
def test_a_place_that_a_key_cannot_have(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.ConfigError, match=name):
        age_keys.generate(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def test_the_fingerprint_of_ssh_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    own = keys.ssh(tmp_path)
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", own.recipients], check=True, capture_output=True, text=True
    )
    (found,) = age_keys.recipients(own.recipients)
    assert found.fingerprint == told.stdout.split()[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "lists no recipient"),
        ("# nobody yet\n\n", "lists no recipient"),
        ("age1nonsense\n", "line 1 is no public key"),
        ("# first\nssh-ed25519 AAAA\n", "line 2 is no public key"),
        ("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY= x\n", "line 1 is no public key"),
        ("AGE-SECRET-KEY-1QQQ\n", "line 1 is a secret key"),
    ],
)
def test_recipients_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "recipients").write_text(text)
    with pytest.raises(errors.ConfigError, match=told) as error:
        age_keys.recipients(tmp_path / "recipients")
    assert "1QQQ" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no secret key"),
        ("AGE-SECRET-KEY-1QQQ\n", "holds no secret key"),
        ("age1qqq\n", "holds no secret key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n", "holds no secret key"),
        ("age-encryption.org/v1\n-> scrypt x 18\n", "has a passphrase"),
    ],
)
def test_identities_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "identity").write_text(text)
    with pytest.raises(errors.ConfigError, match=told) as error:
        age_keys.identities([tmp_path / "identity"])
    assert "1QQQ" not in str(error.value)


def test_a_key_with_a_passphrase_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="has a passphrase"):
        age_keys.identities([keys.ssh(tmp_path, passphrase="secret").identity])
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        age_keys.identities([tmp_path / "nowhere"])
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        age_keys.recipients(tmp_path / "nowhere")
