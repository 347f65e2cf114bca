"""`pgbackstop list` and `show`: what a person and a program read."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pgbackstop_catalog.records.attempt import Reason, Status, Step
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.source import DatabaseFacts, Extension, ServerFacts
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_runner import main
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "pgbackstop.yaml").write_text(
        "servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n"
    )
    return places.workspace(tmp_path)


def pgbackstop(opened: Workspace, *arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["--config", str(opened.file), *arguments], catch_exceptions=False)


def first_words(result: Result) -> list[str]:
    return [line.split()[0] for line in result.stdout.split("\n\n")[0].splitlines()[1:]]


def test_the_newest_first_with_what_matters(opened: Workspace) -> None:
    recent = datetime.now(UTC) - timedelta(hours=3, minutes=1)
    good = factories.backup(1, recent, size_bytes=1_234_567, duration_seconds=41.0)
    child = factories.physical(2, recent - DAY, parent=factories.physical(3, recent - 2 * DAY))
    failed = factories.backup(
        4, recent - 3 * DAY, status=Status.FAILED, reason=Reason.TOOL, message="pg_dump:\n\x1b[31mlost\n",
    )  # fmt: skip
    missed = factories.backup(
        5, recent - 4 * DAY, status=Status.MISSED, finished_at=None, missed_runs=3, message="It was off."
    )
    offsite = Copy.of(good, "offsite", started_at=recent).evolve(status=Status.SUCCEEDED)
    for record in (
        failed,
        good,
        missed,
        child,
        offsite,
        offsite.evolve(storage="vault", status=Status.FAILED),
    ):
        opened.catalog.put(record)
    lines = pgbackstop(opened, "list").stdout.splitlines()
    assert lines[0].split() == [
        "ID", "PLAN", "DATABASE", "TYPE", "FINISHED", "(UTC)", "SIZE", "TOOK", "STATUS", "AGE", "STORED",
        "IN", "REASON",
    ]  # fmt: skip
    assert lines[1].split() == [
        good.id, "main-logical", "shop", "logical", *f"{recent:%Y-%m-%d %H:%M:%S}".split(),
        "1.2", "MB", "41s", "available", "3h01m", "disk,", "offsite",
    ]  # fmt: skip
    assert " physical, incr. " in lines[2]
    assert lines[3].endswith("tool: pg_dump: \\u001b[31mlost")
    assert lines[4].endswith("3 due runs. It was off.")
    assert len(lines) == 5


def test_fifty_unless_more_are_wanted(opened: Workspace) -> None:
    for number in range(60):
        opened.catalog.put(factories.backup(number, NOW - number * DAY))
    found = pgbackstop(opened, "list")
    assert len(first_words(found)) == 50
    assert "10 older ones exist: --all shows them" in found.stdout
    assert len(first_words(pgbackstop(opened, "list", "--all"))) == 60
    few = pgbackstop(opened, "list", "--limit", "7", "--database", "shop")
    assert len(first_words(few)) == 7
    assert "53 older ones exist" in few.stdout


def test_filters(opened: Workspace) -> None:
    records = {
        "available": factories.backup(1, NOW),
        "expired": factories.backup(2, NOW, expired_at=NOW),
        "failed": factories.backup(3, NOW, status=Status.FAILED),
        "crm": factories.backup(4, NOW, database="crm", status=Status.MISSED),
        "physical": factories.physical(5, NOW),
    }
    for each in records.values():
        opened.catalog.put(each)

    def shown(*arguments: str) -> set[str]:
        listed = {each["id"] for each in json.loads(pgbackstop(opened, "list", "--json", *arguments).stdout)}
        return {name for name, each in records.items() if each.id in listed}

    assert shown() == set(records)
    assert shown("--status", "available") == {"available", "physical"}
    assert shown("--status", "succeeded") == {"available", "expired", "physical"}
    assert shown("--status", "failed", "--status", "missed") == {"failed", "crm"}
    assert shown("--database", "crm") == {"crm"}
    assert shown("main-physical") == {"physical"}
    assert shown("main-logical", "--status", "expired", "--database", "shop") == {"expired"}


def test_json_is_the_whole_record(opened: Workspace) -> None:
    record = factories.backup(1, NOW, row_counts={"a": 1})
    opened.catalog.put(record)
    listed = json.loads(pgbackstop(opened, "list", "--json").stdout)
    assert listed == [record.model_dump(mode="json")]
    assert json.loads(pgbackstop(opened, "show", record.id, "--json").stdout) == listed[0]


def test_nothing_yet(opened: Workspace) -> None:
    assert "no backup on record yet" in pgbackstop(opened, "list").stdout
    assert json.loads(pgbackstop(opened, "list", "--json").stdout) == []
    opened.catalog.put(factories.backup(1, NOW))
    assert "no such backup" in pgbackstop(opened, "list", "--status", "failed").stdout


def test_garbage_is_a_warning_and_the_others_are_shown(opened: Workspace) -> None:
    record = factories.backup(1, NOW)
    opened.catalog.put(record)
    (opened.state.root / "backups" / "main-logical" / "garbage.json").write_text("{")
    found = pgbackstop(opened, "list")
    assert "garbage.json is no record of pgbackstop" in found.stderr
    assert first_words(found) == [record.id]


def test_a_broken_key_elsewhere_hides_no_backup(opened: Workspace) -> None:
    opened.catalog.put(factories.backup(1, NOW))
    opened.file.write_text(opened.file.read_text() + "plans: {a: {unknown: 1}}\n")
    assert len(first_words(pgbackstop(opened, "list"))) == 1


_NEEDED_BY_WORK = {"psycopg", "structlog", "rich", "asyncio", "obstore"}


@pytest.mark.parametrize(
    ("command", "slow"),
    [
        (("--version",), {"pydantic", *_NEEDED_BY_WORK}),
        (("list",), {"pydantic", *_NEEDED_BY_WORK}),
        (("list", "--all", "--status", "failed"), {"pydantic", *_NEEDED_BY_WORK}),
        (("status",), _NEEDED_BY_WORK),
        (("status", "--nagios"), _NEEDED_BY_WORK),
    ],
    ids=["--version", "list", "list --all", "status", "status --nagios"],
)
def test_what_only_reads_imports_nothing_slow(
    opened: Workspace, command: tuple[str, ...], slow: set[str]
) -> None:
    """Its time is the time of its imports: pydantic alone takes as long as all of a list may."""
    opened.catalog.put(factories.backup(1, NOW))
    program = (
        "import atexit, sys; from pgbackstop_runner import main\n"
        f"atexit.register(lambda: print('imported:', *sorted({slow} & set(sys.modules)), file=sys.stderr))\n"
        "main.run()"
    )
    argv = [sys.executable, "-c", program, "--config", str(opened.file), *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "imported:"


def test_show_has_what_the_worst_day_needs(opened: Workspace) -> None:
    record = places.stored(
        opened,
        factories.backup(
            1,
            NOW,
            duration_seconds=61.0,
            server_facts=ServerFacts(
                version="17.5", version_number=170005, system_identifier="742", libc="2.36"
            ),
            database_facts=DatabaseFacts(
                encoding="UTF8", collate="C", ctype="C", owner="shopkeeper",
                extensions=(Extension(name="pgcrypto", version="1.3"),),
            ),
            row_counts={f'"public"."t{number}"': number for number in range(30)},
            restore_by_hand=("sha256sum -c SHA256SUMS", "pg_restore --create -d postgres ./shop.backup"),
            steps=(Step(name="dump", duration_seconds=60.0),),
            warnings=("Roles without passwords.",),
            tools={"pg_dump": "17.5"},
        ),
    )  # fmt: skip
    facts = {
        "plan": record.plan, "server": "main", "database": "shop", "backup_type": "logical",
        "backup": record.id, "started_at": NOW, "finished_at": NOW, "status": Status.SUCCEEDED,
    }  # fmt: skip
    opened.catalog.put(Copy.model_validate({**facts, "storage": "offsite"}))
    opened.catalog.put(Proof.model_validate({**facts, "id": record.id, "proof": "drill"}))
    shown = pgbackstop(opened, "show", record.id[:12]).stdout
    folder = places.folder_of(opened, record)
    for text in (
        f"cd {folder}\n", "sha256sum -c SHA256SUMS", "pg_restore --create -d postgres ./shop.backup",
        "PostgreSQL 17.5", "742", "UTF8, collate C", "shopkeeper", "pgcrypto 1.3", "pg_dump 17.5",
        record.files[0].sha256, "offsite", "drill", "succeeded 2026-11-22 12:00:00 UTC", "1m01s",
        "Roles without passwords.", "10 smaller tables",
    ):  # fmt: skip
        assert text in shown


def test_show_a_failure(opened: Workspace) -> None:
    record = factories.backup(
        1, NOW, status=Status.FAILED, reason=Reason.RIGHTS, message="No right to read table a.", location=None
    )
    opened.catalog.put(record)
    shown = pgbackstop(opened, "show", record.id).stdout
    assert "failed: rights" in shown
    assert "No right to read table a." in shown
    assert "To restore it by hand" not in shown


LOST = (
    VanishedTable(table="public.items", rows_before=5000, rows=None, last_backup="20261121T115900Z-000002"),
    VanishedTable(table="public.orders", rows_before=1_204_331, rows=0),
)


def test_what_vanished_in_words(opened: Workspace) -> None:
    seen = factories.backup(1, NOW, vanished=LOST)
    by = Acknowledgement(at=NOW, operator="ops", host="db1", note="Cleaned.")
    known = factories.backup(2, NOW - DAY, vanished=LOST[1:], acknowledged=by)
    opened.catalog.put(seen)
    opened.catalog.put(known)
    lines = pgbackstop(opened, "list").stdout.splitlines()
    assert lines[1].endswith("public.items: 5,000 rows → table gone and 1 more")
    assert lines[2].endswith("public.orders: 1,204,331 → 0 rows (acknowledged)")
    shown = pgbackstop(opened, "show", seen.id).stdout
    assert "Vanished since the backup before" in shown
    assert "5,000 rows → table gone; still in 20261121T115900Z-000002" in shown
    assert "1,204,331 → 0 rows; in no backup that was kept" in shown
    assert f"pgbackstop ack {seen.id}" in shown
    told = pgbackstop(opened, "show", known.id).stdout
    assert "2026-11-22 12:00:00 UTC by ops on db1: Cleaned." in told
    assert "pgbackstop ack" not in told
    document = json.loads(pgbackstop(opened, "show", known.id, "--json").stdout)
    assert document["vanished"][0]["table"] == "public.orders"
    assert document["acknowledged"]["note"] == "Cleaned."


def test_of_many_files_the_largest_are_shown(opened: Workspace) -> None:
    files = tuple(
        StoredFile(path=f"shop.dir/{number}.dat", size_bytes=1000 * number, sha256=f"{number:064x}")
        for number in range(1, 41)
    )
    record = factories.backup(1, NOW, files=files)
    opened.catalog.put(record)
    lines = pgbackstop(opened, "show", record.id).stdout.splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("shop.dir/")]
    assert shown == [each.path for each in files[10:]]
    assert "10 smaller files, 55.0 kB: SHA256SUMS beside them has all, and --json" in lines


def test_files_that_are_listed_beside_them_are_counted(opened: Workspace) -> None:
    record = places.stored_many(opened, factories.backup(1, NOW), 150)
    shown = pgbackstop(opened, "show", record.id).stdout
    assert "150, listed in SHA256SUMS in the folder" in shown
    assert "0.dat" not in shown
    opened.catalog.put(record.evolve(expired_at=NOW))
    assert "SHA256SUMS" not in pgbackstop(opened, "show", record.id).stdout


def test_a_damaged_copy_is_named_where_its_backup_is(opened: Workspace) -> None:
    good, other = factories.backup(1, NOW), factories.backup(2, NOW - DAY)
    rotten = Copy.of(good, "offsite", started_at=NOW).evolve(
        status=Status.FAILED, damaged_at=NOW, message="offsite: shop.backup is damaged."
    )
    gone = Copy.of(other, "offsite", started_at=NOW).evolve(
        status=Status.FAILED, damaged_at=NOW, expired_at=NOW
    )
    whole = Copy.of(other, "second", started_at=NOW).evolve(
        status=Status.SUCCEEDED, finished_at=NOW, verified_at=NOW
    )
    for record in (good, other, rotten, gone, whole):
        opened.catalog.put(record)
    lines = pgbackstop(opened, "list").stdout.splitlines()
    assert lines[1].endswith("its copy in offsite is damaged")
    assert "damaged" not in lines[2]
    assert lines[2].split()[-2:] == ["disk,", "second"]


def test_backups_of_a_removed_plan_are_named(opened: Workspace) -> None:
    """The plans of this file are the default ones."""
    opened.catalog.put(factories.backup(1, NOW, size_bytes=7))
    opened.catalog.put(factories.backup(2, NOW - DAY, plan="old-name", size_bytes=1_000))
    opened.catalog.put(factories.backup(3, NOW, plan="older-name", expired_at=NOW))
    listed = pgbackstop(opened, "list").stdout
    assert "Plan old-name is not in the configuration, and keeps 1 backup (1.0 kB)." in listed
    assert "Plan older-name" not in listed
    assert "Plan main-logical" not in listed
    assert "not in the configuration" not in pgbackstop(opened, "list", "main-logical").stdout
    shown = {number: pgbackstop(opened, "show", factories.backup(number, at).id).stdout
             for number, at in ((1, NOW), (2, NOW - DAY))}  # fmt: skip
    assert "which is not in the configuration" in shown[2]
    assert "which is not in the configuration" not in shown[1]
