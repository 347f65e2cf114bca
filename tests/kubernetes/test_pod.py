"""The chart's pod, run: real images, a real PostgreSQL outside, and no more rights than the chart gives.

One test, because engine and images take a minute: the story is told in its order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes import chart
from tests.kubernetes.pod import Pod, samples
from tests.stack import stand_ins
from tests.stack.engine import GATEWAY, EngineError, wait_for
from tests.stack.external_server import PASSWORD, ExternalServer
from tests.stack.running import PATIENCE, Stack, prepared
from tests.support.fixtures import MakeServer

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(1500)]

BACKUPS = "/var/lib/pgbackstop/backups"
VALUES = {
    "config": {
        "servers": {"shop": {"host": GATEWAY, "password_file": "/run/secrets/shop-backup/password"}},
        "console": {
            "oidc": {
                "issuer": "https://login.example.com",
                "client_id": "pgbackstop",
                "client_secret_file": "/run/secrets/sign-in/secret",
                "roles": {"admin": ["dba"]},
            }
        },
    },
    "secrets": [{"name": "shop-backup", "exporter": True}, {"name": "sign-in"}],
    "console": {"enabled": True},
}
SECRETS = {"shop-backup": {"password": f"{PASSWORD}\n"}, "sign-in": {"secret": "a-secret\n"}}
_ZOMBIES = """
import pathlib
stats = [path.read_text() for path in pathlib.Path("/proc").glob("[0-9]*/stat")]
states = [stat.rpartition(")")[2].split()[0] for stat in stats]
print(states.count("Z"))
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """For its images and its engine; nothing of it is started."""
    with prepared(tmp_path, host=GATEWAY) as made:
        yield made


@pytest.fixture
def server(stack: Stack, make_server: MakeServer) -> Iterator[ExternalServer]:
    with ExternalServer.running(stack.engine, make_server(stand_ins.MAJOR)) as found:
        yield found


@pytest.mark.usefixtures("server")
def test_the_pod_as_kubernetes_runs_it(stack: Stack, tmp_path: Path) -> None:
    objects = chart.rendered(VALUES)
    pod = Pod(stack.engine, tmp_path / "pod", objects, SECRETS)
    pod.start()
    wait_for("the probes", lambda: not pod.failing(), PATIENCE)
    a_backup_is_made_and_measured(pod)
    a_drill_is_jailed_without_any_right(pod)
    the_exporter_reads_no_bytes_and_writes_nothing(pod)
    helm_test_passes(pod, objects)
    it_starts_anew(pod)
    nothing_that_has_ended_stays(pod)
    a_lost_volume_is_told_and_made_anew(pod)


def a_backup_is_made_and_measured(pod: Pod) -> None:
    pod.execute("runner", "pgbackstop", "backup", "shop-logical")

    def is_seen() -> bool:
        page = samples(pod.engine.get(f"http://{pod.address()}:9853/metrics"))
        succeeded = [
            value
            for name, value in page.items()
            if name.startswith("backup_last_success_time{") and 'database="shop"' in name
        ]
        return any(succeeded) and page['backup_postgres_up{server="shop"}'] == 1

    wait_for("the metrics of the backup", is_seen, PATIENCE)


def a_drill_is_jailed_without_any_right(pod: Pod) -> None:
    """A recovery of the whole server, too: by the image's own lz4, out of the WAL archive."""
    pod.execute("runner", "pgbackstop", "backup", "shop-physical")
    for plan in ("shop-logical", "shop-physical"):
        pod.execute("runner", "pgbackstop", "drill", plan)
    drills = json.loads(pod.execute("runner", "pgbackstop", "list", "--drills", "--json"))
    assert len(drills) > 1
    assert {each["jail"] for each in drills} == {"landlock"}
    assert {each["status"] for each in drills} == {"succeeded"}


def the_exporter_reads_no_bytes_and_writes_nothing(pod: Pod) -> None:
    files = pod.execute("runner", "find", BACKUPS, "-name", "*.backup", "-type", "f").split()
    assert files
    with pytest.raises(EngineError, match="Permission denied"):
        pod.execute("exporter", "cat", files[0])
    for folder in (BACKUPS, "/etc/pgbackstop", "/opt"):
        with pytest.raises(EngineError, match="Read-only file system"):
            pod.execute("exporter", "touch", f"{folder}/new")
    with pytest.raises(EngineError, match="No such file"):
        pod.execute("exporter", "ls", "/run/secrets/sign-in")


def helm_test_passes(pod: Pod, objects: list[dict[str, object]]) -> None:
    said = pod.run_beside(chart.one(objects, "Pod", f"{chart.NAME}-doctor")["spec"])
    assert "landlock" in said.lower()


def it_starts_anew(pod: Pod) -> None:
    """With what it had before."""
    assert pod.stop("runner") == 0
    assert "is there" in pod.prepare()
    pod.begin("runner")
    wait_for("the probes after a restart", lambda: not pod.failing(), PATIENCE)
    assert json.loads(pod.execute("runner", "pgbackstop", "list", "--json"))


def nothing_that_has_ended_stays(pod: Pod) -> None:
    wait_for(
        "no process to wait for", lambda: pod.execute("runner", "python", "-c", _ZOMBIES).strip() == "0", 60
    )


def a_lost_volume_is_told_and_made_anew(pod: Pod) -> None:
    before = {each["id"] for each in json.loads(pod.execute("runner", "pgbackstop", "list", "--json"))}
    for container in ("runner", "exporter"):
        pod.stop(container)
    pod.lose("catalog")
    with pytest.raises(EngineError, match="The catalog is not there"):
        pod.prepare()
    mending = "pgbackstop storage create --replace --yes && pgbackstop catalog rebuild"
    mended = chart.rendered({**VALUES, "runner": {"prepare": mending}})
    pod.prepare(chart.pods(mended)[0])
    for container in ("runner", "exporter"):
        pod.begin(container)
    wait_for("the probes with a new catalog", lambda: not pod.failing(), PATIENCE)
    after = {each["id"] for each in json.loads(pod.execute("runner", "pgbackstop", "list", "--json"))}
    assert before == after
