"""One command as root in the storage of a service's user: nothing is left that this user cannot read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from tests.support import accounts, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.servers import Server

pytestmark = pytest.mark.root
WHO = accounts.unprivileged()
# Root's own interpreter may be where nobody else may go; the system's then stands for one that is installed.
INTERPRETERS = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
READ_TWICE = """
import os, sys
from pathlib import Path
from pgbackstop_catalog.store import summary
from pgbackstop_catalog.store.folder import FolderCatalog
told = []
catalog = FolderCatalog(Path(sys.argv[1]), on_invalid_record=told.append)
both = list(catalog.backups())  # as root, who can also import what is needed for it
list(summary.read(catalog.entries("backups"), told.append))
os.setgroups([])
os.setuid(int(sys.argv[2]))
catalog = FolderCatalog(Path(sys.argv[1]), on_invalid_record=told.append)  # what the first has read it keeps
print(len(both), *(each.id for each in catalog.backups()), len(told))
print(*(each.id for each in summary.read(catalog.entries("backups"), told.append)), len(told))
print(*map(catalog.has, both))
"""
# Without our interpreter's own library, which another interpreter has for itself.
PACKAGES = os.pathsep.join(path for path in sys.path if path and not path.startswith(sys.base_prefix))


def _runs_for_owner(interpreter: str) -> bool:
    argv = [interpreter, "-c", "import pgbackstop_runner.backup.run"]
    try:
        done = subprocess.run(
            argv, cwd="/", check=False, capture_output=True, env={"PYTHONPATH": PACKAGES}, **WHO.credentials
        )
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture
def site(pg17: Server, database: Database) -> Site:
    """A storage and a catalog that belong to somebody who is not root."""
    folder = places.make()
    password = folder / "password"
    password.write_bytes(pg17.password_file.read_bytes())
    password.chmod(0o600)
    WHO.own(password)
    plan = {"server": "main", "backup_type": "logical", "databases": [database.name]}
    made = Site(
        folder=folder, server=pg17, plans={"p": plan}, server_settings={"password_file": str(password)}
    )
    for path in (made.store, *made.store.rglob("*")):
        WHO.own(path)
    return made


def _run(site: Site, interpreter: str, *words: str, **who: object) -> subprocess.CompletedProcess[str]:
    argv = [interpreter, "-m", "pgbackstop_runner.main", "--config", str(site.file), *words]
    env = {**os.environ, "PYTHONPATH": PACKAGES}
    return subprocess.run(argv, cwd="/", env=env, capture_output=True, text=True, check=False, **who)  # type: ignore[call-overload, no-any-return]


def _roots(site: Site) -> list[Path]:
    return [path for path in site.store.rglob("*") if path.lstat().st_uid == 0]


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=["ours", "the system's"])
def test_root_steps_down_or_is_refused(site: Site, interpreter: str) -> None:
    if not Path(interpreter).exists():
        interpreter = sys.executable
    done = _run(site, interpreter, "backup", "p")
    if _runs_for_owner(interpreter):
        assert done.returncode == 0, done.stderr
        assert "root continues as the owner of the catalog" in done.stderr
        assert _run(site, interpreter, "verify", "p").returncode == 0
        assert _run(site, interpreter, "list", **WHO.credentials).returncode == 0
    else:
        assert done.returncode == errors.ConfigError.exit_code
        assert "sudo -u " in done.stderr
        assert site.backups() == []
    assert _roots(site) == []


def test_what_is_done_as_root_is_given_to_the_owner(site: Site, database: Database) -> None:
    """A restore may need root's own files; its records and locks are the owner's all the same."""
    site.make("p")
    for path in site.store.rglob("*"):
        WHO.own(path)
    assert site.run("restore", "--plan", "p", "--into", f"{database.name}_2").returncode == 0
    assert len(list(site.catalog.restores())) == 1
    assert _roots(site) == []


def test_one_record_that_cannot_be_read_hides_no_other(site: Site) -> None:
    first, second = site.make("p")[0], site.make("p")[0]
    for path in site.store.rglob("*"):
        WHO.own(path)
    os.chown(site.catalog.path(first), 0, 0)
    done = subprocess.run(
        [sys.executable, "-c", READ_TWICE, str(site.catalog.root), str(WHO.uid)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"2 {second.id} 1\n{second.id} 2\nTrue False\n", done.stderr
