"""Operations that are killed after each of their steps: what must hold, and that nothing is left behind.

The short part of the campaign, with moments that are always the same: the lines of the log.
"""

import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.campaign.campaign import Campaign, violations
from tests.campaign.kills import working
from tests.campaign.operations import OPERATIONS, Operation
from tests.support import binaries, forks, places
from tests.support.backups import environment, gone, until
from tests.support.servers import Server

# Backups and drills are killed at each step beside their own tests.
SHORT = ("copy", "expire", "restore", "restore --in-place", "restore --table")
CHOSEN = [each for each in OPERATIONS if each.name in SHORT]
MOST_STEPS = 30


@pytest.fixture(scope="module")
def campaign(module_server: Server) -> Iterator[Campaign]:
    folder = places.make()
    with Campaign.laid(module_server, folder) as laid:
        yield laid
    places.remove(folder)


@pytest.fixture(scope="module")
def module_server() -> Iterator[Server]:
    try:
        programs = binaries.reachable(binaries.DEFAULT_MAJOR)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))
    with Server(programs, settings={"autovacuum": "off"}) as server:
        yield server


def killed_after(campaign: Campaign, operation: Operation, step: int) -> bool:
    """Kill it right after that line of its log; whether it had as many."""
    words = operation.prepare(campaign)
    env = environment({"TMPDIR": str(campaign.folder / "tmp")})
    with forks.start("--config", str(campaign.file), *words, stdout=subprocess.DEVNULL, env=env) as running:
        assert running.stderr is not None
        lines = 0
        for line in running.stderr:
            lines += line.startswith("timestamp=")
            if lines == step:
                running.kill()
                break
        running.communicate()
    return lines == step


@pytest.mark.slow
@pytest.mark.parametrize("operation", CHOSEN, ids=[each.name for each in CHOSEN])
def test_killed_after_each_step(
    operation: Operation, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(campaign.folder / "tmp"))
    for step in range(1, MOST_STEPS):
        was_killed = killed_after(campaign, operation, step)
        until(lambda: gone(working(campaign)), "the end of what it started")
        campaign.tidy()
        assert list(violations(campaign)) == [], f"after step {step}"
        campaign.clear()
        if not was_killed:
            assert step > 1, "it has no steps"
            return
    pytest.fail(f"more than {MOST_STEPS} steps")
