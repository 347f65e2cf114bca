"""Root recovers into a folder whose parent is the server's account's, and that account puts links there."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Primary
from tests.support import accounts, backups, confined
from tests.support.fixtures import MakeServer

pytestmark = pytest.mark.root
# Exchanges what it is given the name of for a link to the victim, as soon as it is there, again and again.
SWAP = """
import os, sys
target, victim = sys.argv[1:]
print("waiting", flush=True)
number = 0
while True:
    try:
        os.rename(target, f"{target}.{number}")
        os.symlink(victim, target)
        number += 1
        os.unlink(target)
    except OSError:
        pass
"""


@pytest.fixture
def primary(make_server: MakeServer) -> Iterator[Primary]:
    made = Primary(make_server(settings=primaries.SETTINGS))
    made.site.server_settings = {"wal": {"enabled": False}}
    made.site.write()
    made.site.make("base")
    yield made
    made.close()


@pytest.mark.parametrize("exchanged", ["", "base", "pg_wal", "pgbackstop-unfinished"])
def test_a_link_leads_root_nowhere(primary: Primary, exchanged: str) -> None:
    victim, theirs = primary.folder / "victim", primary.folder / "theirs"
    victim.mkdir()
    (victim / "shadow").write_text("root's")
    (victim / "shadow").chmod(0o600)
    theirs.mkdir()
    who = accounts.unprivileged()
    who.own(theirs)
    place = theirs / "new"
    python, _ = confined.interpreter(who.uid, who.gid)
    attacker = subprocess.Popen(
        [python, "-c", SWAP, str(place / exchanged), str(victim)],
        stdout=subprocess.PIPE,
        text=True,
        **who.credentials,
    )
    assert attacker.stdout is not None
    assert attacker.stdout.readline() == "waiting\n"
    try:
        done = primary.recover(place)
        assert backups.sentence(done) or done.returncode == 0
    finally:
        attacker.kill()
        attacker.communicate()
    assert [path.name for path in victim.iterdir()] == ["shadow"]
    assert [path.stat().st_uid for path in (victim, victim / "shadow")] == [0, 0]
    assert (victim / "shadow").read_text() == "root's"
