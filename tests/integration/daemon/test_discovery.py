"""The daemon takes over servers that are discovered, and stops the plans of those that are gone."""

import json

from tests.integration.daemon import attempts
from tests.integration.daemon.attempts import SELDOM
from tests.integration.daemon.conftest import Daemons, until

GROUPS = {
    "g": {
        "server": {"wal": {"enabled": False}},
        "plans": {
            "often": {"backup_type": "logical", "schedule": "*/2 * * * * *", "drill": {"enabled": False}}
        },
    }
}


def listed(daemons: Daemons, text: str) -> None:
    fresh = daemons.folder / "targets.new"
    fresh.write_text(text)
    fresh.replace(daemons.folder / "targets.json")


def targets(*names: str) -> str:
    return json.dumps([{"targets": [f"{name}:5432" for name in names]}])


def test_servers_come_and_go_without_a_restart(daemons: Daemons) -> None:
    source = {"files": ["targets.json"], "interval": "5s", "group": "g"}
    daemons.configure({"seldom": {"schedule": SELDOM}}, groups=GROUPS, discovery={"racks": source})
    listed(daemons, targets("pay-1"))
    daemon = daemons.start_and_wait()
    until(lambda: attempts.succeeded(daemons, "pay-1-often"), "a backup of the first")

    listed(daemons, "[{")
    until(lambda: "is no JSON" in daemons.log(), "the refusal")
    state = daemons.state()
    assert state is not None
    assert "pay-1-often" in state.next_runs

    listed(daemons, targets("pay-2"))
    until(lambda: attempts.succeeded(daemons, "pay-2-often"), "a backup of the second")
    assert "server gone" in daemons.log()
    until(lambda: (now := daemons.state()) and "pay-1-often" not in now.next_runs, "the end of the first")
    assert daemons.stop(daemon) == 0
    assert attempts.succeeded(daemons, "pay-1-often")
