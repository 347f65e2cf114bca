"""A configuration that is right, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgbackstop_catalog.config import load
from pgbackstop_catalog.config.yaml_file import BadConfig

GOOD = """\
servers:
  main:
    host: db.example
storages:
  disk:
    path: store
  cloud:
    kind: s3
    bucket: backups
    secret_access_key_file: keys/secret
"""


def problems(file: Path, text: str) -> list[str]:
    """What is wrong, as ``line: key: sentence``."""
    file.write_text(text)
    with pytest.raises(BadConfig) as raised:
        load.load(file)
    assert raised.value.exit_code == 2
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{file}:") for line in lines)
    return [line.removeprefix(f"{file}:") for line in lines]
