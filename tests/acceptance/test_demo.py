"""``pgbackstop demo`` as a user starts it: a process, in a folder and with a PostgreSQL of its own."""

import json
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.samples import Sample

from pgbackstop_runner.demo import metrics, programs
from tests.integration.console.conftest import Visit
from tests.support import places
from tests.support.demos import PATIENCE, Running, eventually, of, run_once, samples

LITERAL = {"backup_last_success_time", "backup_size_bytes", "backup_duration_seconds", "disk_free_bytes"}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a demo on a machine that may be busy


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo's server can lie beside the rest, whoever runs it."""
    place = places.make()
    yield place / "demo"
    places.remove(place)


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    """A demo that shows its screen."""
    with Running(folder) as demo:
        yield demo


def test_once_makes_one_backup_of_each_kind_and_a_second_run_continues(folder: Path) -> None:
    first = run_once(folder)
    assert (first.returncode, first.stderr) == (0, "")
    rows = [line.split() for line in first.stdout.splitlines() if re.match(r"\d{8}T\d{6}Z-", line)]
    # A schedule of the demo may fall due meanwhile, so that there may be more than one of a kind.
    assert {(row[1], row[2]) for row in rows} == {
        ("shop-logical", "postgres"),
        ("shop-logical", "shop"),
        ("shop-physical", "-"),
    }
    assert all("available" in row for row in rows), first.stdout
    _the_metrics_tell_the_truth(folder, metrics.samples("\n".join(metrics.literal(first.stdout))))
    assert of(folder) == []

    second = run_once(folder)
    assert (second.returncode, second.stderr) == (0, "")
    assert "Filling the shop" not in second.stdout
    assert len(list((folder / "catalog" / "backups").glob("*/*.json"))) >= len(rows) + 3
    assert of(folder) == []


def _the_metrics_tell_the_truth(folder: Path, printed: list[Sample]) -> None:
    assert {sample.name for sample in printed} == LITERAL
    for path in (folder / "catalog" / "backups").glob("*/*.json"):
        record = json.loads(path.read_text())
        labels = {"plan": record["plan"], "database": record["database"], "server": "shop"}
        size = sum(each["size_bytes"] for each in record["files"])
        assert metrics.value(printed, "backup_size_bytes", **labels) == size > 1000
        on_disk = sum((folder / record["location"] / each["path"]).stat().st_size for each in record["files"])
        assert on_disk == size
        assert metrics.value(printed, "backup_duration_seconds", **labels) == record["duration_seconds"] > 0
        told = metrics.value(printed, "backup_last_success_time", **labels)
        assert told is not None
        assert abs(told - path.stat().st_mtime) < PATIENCE
    free = metrics.value(printed, "disk_free_bytes")
    assert free is not None
    assert abs(free - shutil.disk_usage(folder).free) < 5e9


def test_the_screen_is_true_and_ctrl_c_leaves_nothing(running: Running) -> None:
    text = running.output.read_text()
    assert "Recovery window: any moment from" in text
    commands = re.findall(r"^  (\S*pgbackstop .*)$", text, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout.strip(), command
    for url in re.findall(r"^\w+ +(http\S+)", text, re.MULTILINE):
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - found by "http"
            assert answer.status == 200
    _the_console_lets_in_whom_the_screen_names(running, text)
    refused = run_once(running.folder)
    assert refused.returncode == 4
    assert re.search(r"^pgbackstop: A demo in .* is already running \(process \d+", refused.stderr)

    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=PATIENCE) == 0
    assert re.search(r"Stopped .*daemon.*exporter.*postgresql\.$", running.output.read_text(), re.MULTILINE)
    assert of(running.folder) == []


def _the_console_lets_in_whom_the_screen_names(running: Running, text: str) -> None:
    url, name, password = re.findall(r"^Console +(http\S+/) as (\w+): (\S+)$", text, re.MULTILINE)[0]
    port = int(url.rpartition(":")[2].strip("/"))
    assert Visit(port=port).login(name, "another one").status == 403
    visit = Visit(port=port)
    assert visit.login(name, password).status == 303
    assert "shop-physical" in visit.get("/").text
    logs = "".join(path.read_text() for path in (running.folder / "logs").iterdir())
    said = [*(" ".join(each.cmdline()) for each in of(running.folder)), logs]
    assert not any(password in each for each in said)


def test_a_killed_postgresql_is_seen_and_the_ages_keep_growing(running: Running) -> None:
    up = metrics.value(samples(running.folder), "backup_postgres_up", server="shop")
    assert up == 1
    postmaster = running.part("postgres", "-D")
    postmaster.kill()
    eventually(
        lambda: metrics.value(samples(running.folder), "backup_postgres_up", server="shop") == 0,
        "backup_postgres_up 0",
    )
    assert running.shows("postgresql was ended by signal 9") or _later(running, "postgresql was ended")
    before = _ages(running.folder)
    assert set(before) == {("shop-logical", "shop"), ("shop-logical", "postgres"), ("shop-physical", "")}

    def have_grown() -> bool:
        after = _ages(running.folder)
        return all(after[key] >= age + 1 for key, age in before.items())

    eventually(have_grown, "each age grows")

    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=PATIENCE) == 0
    assert of(running.folder) == []


def _later(running: Running, words: str) -> bool:
    eventually(lambda: running.shows(words), words)
    return True


def _ages(folder: Path) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["plan"], sample.labels["database"]): sample.value
        for sample in samples(folder)
        if sample.name == "backup_age_seconds"
    }


def test_after_a_sigkill_nothing_stays_and_the_next_run_continues(running: Running) -> None:
    running.process.kill()
    running.process.wait()
    eventually(lambda: of(running.folder) == [], "the parts die with the demo")
    again = run_once(running.folder)
    assert again.returncode == 0, again.stderr
    assert "Filling the shop" not in again.stdout
    assert of(running.folder) == []


@pytest.mark.root
def test_root_below_a_folder_that_the_server_cannot_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "demo"
    done = run_once(folder)
    elsewhere = Path(json.loads((folder / "state.json").read_text())["elsewhere"])
    try:
        assert done.returncode == 0, done.stderr
        assert re.search(rf"^User \w+ cannot enter this folder, so .* in {elsewhere}\.$", done.stdout, re.M)
        assert (elsewhere / "postgresql" / "data" / "PG_VERSION").exists()
        assert (elsewhere / "postgresql").stat().st_uid != 0
        assert of(elsewhere) == of(folder) == []
    finally:
        places.remove(elsewhere)
    gone = run_once(folder)
    assert gone.returncode == 2
    assert f"The demo's database was in {elsewhere}, which is gone." in gone.stderr


@pytest.mark.parametrize(
    ("major", "code", "words"),
    [
        ("9", 2, "There is no PostgreSQL 9 with its server programs"),
        (str(programs.find().major), 1, r"PostgreSQL does not start: .*postgresql\.conf"),
    ],
)
def test_a_broken_database_is_one_sentence(folder: Path, major: str, code: int, words: str) -> None:
    data = folder / "postgresql" / "data"
    (data / "global").mkdir(parents=True)
    (data / "global" / "pg_control").write_bytes(b"")
    (data / "PG_VERSION").write_text(f"{major}\n")
    done = run_once(folder)
    assert done.returncode == code
    assert re.search(words, done.stderr)
    assert "Traceback" not in done.stderr
    assert of(folder) == []
