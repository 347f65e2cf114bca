"""What the tests of the backup flow share: roles with few rights, and restoring by hand."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import Server

MakeRole = Callable[..., dict[str, Any]]


@pytest.fixture
def make_role(tmp_path: Path) -> MakeRole:
    """Creates a role; returns what a server of the configuration needs to log in as it."""

    def make(server: Server, attributes: str = "", *grants: str) -> dict[str, Any]:
        name, password = f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {attributes}")
        for grant in grants:
            server.execute(grant.format(role=name))
        file = tmp_path / f"{name}.password"
        file.write_text(password)
        file.chmod(0o600)
        return {"user": name, "password_file": str(file)}

    return make
