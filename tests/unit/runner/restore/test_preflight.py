"""What is in the way of a restore is told at once, each with its remedy."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.server import Application, Hook, Server
from pgbackstop_catalog.records.restore import Estimate
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_runner.console.language import language
from pgbackstop_runner.console.wishes import RestoreWish
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore import plan_text, preflight, select_backup
from pgbackstop_runner.restore.plan import RestorePlan, RestoreRequest
from pgbackstop_runner.restore.preflight import TargetFacts
from pgbackstop_runner.restore.select_backup import BackupChoice, BackupQuery
from pgbackstop_runner.restore.target_database import Database
from pgbackstop_runner.storage.sources import Source
from tests.support import factories

BACKUP = factories.backup(1, factories.NOW, source_size_bytes=1000)


def facts(**changes: Any) -> TargetFacts:
    """A server that lacks nothing."""
    values: dict[str, Any] = {"extensions": frozenset({"citext"}), "may_restore": True}
    return TargetFacts(**{**values, **changes})


def live(**changes: int) -> Database:
    """The database that is replaced."""
    values: dict[str, Any] = {"prepared": 0, "subscriptions": 0, "slots": 0, **changes}
    return Database(
        name="shop", oid=16384, owner="shop", size_bytes=1000, connections=0, is_template=False, **values
    )


def outline(request: dict[str, Any] | None = None, **changes: Any) -> RestorePlan:
    """A swap of the live database, unless a test asks for something else."""
    values: dict[str, Any] = {
        "request": RestoreRequest(wanted=BackupQuery(), **(request or {})),
        "choice": BackupChoice(backup=BACKUP, why="it was asked for"),
        "folder": Path("backups"),
        "source": Source(storage=None, reason="the nearest"),
        "dump": Path("backups/shop.backup"),
        "blueprint": DumpMetadata(),
        "server_name": "main",
        "server": Server(),
        "major": 17,
        "binaries": Binaries(folder=Path("bin"), version="17.5"),
        "database": "shop",
        "replaced": live(),
        "same_server": True,
        "identity": "7",
        "missing_roles": frozenset(),
        "missing_tablespaces": frozenset(),
        "bound_extensions": {},
        "estimate": Estimate(seconds=1.0, reason="guessed from its size"),
        "checked": "size",
        "superusers": frozenset(),
        "acts_as": "postgres",
        "live_owners": frozenset(),
        "free_bytes": 1000,
        "family": None,
    }
    return RestorePlan(**{**values, **changes})


def sentences(plan: RestorePlan, found: TargetFacts | None = None) -> list[str]:
    return [problem for problem, _remedy in preflight.problems(plan, found or facts())]


def test_a_server_that_has_everything() -> None:
    assert sentences(outline(blueprint=DumpMetadata(extensions={"citext"}))) == []


@pytest.mark.parametrize("request_", [{}, {"into": "other"}, {"in_place": True}, {"tables": ("public.t",)}])
def test_extensions_and_rights_are_needed_whatever_the_method(request_: dict[str, Any]) -> None:
    replaced = None if "into" in request_ else live()
    plan = outline(request_, replaced=replaced, blueprint=DumpMetadata(extensions={"postgis", "citext"}))
    assert sentences(plan, facts(may_restore=False)) == [
        "The server does not have the extension postgis.",
        "Role pgbackstop may not restore: it is no superuser, and may not both create "
        "databases and end connections.",
    ]


@pytest.mark.parametrize(("roles", "count"), [(False, 1), (True, 0)])
def test_missing_roles_are_in_the_way_unless_they_are_created(roles: bool, count: int) -> None:
    found = sentences(outline({"roles": roles}, missing_roles=frozenset({"shop", "app"})))
    assert found == ["The server does not have the role app, shop."] * count


@pytest.mark.parametrize(
    ("request_", "replaced", "said"),
    [
        ({"into": "shop"}, live(), ["There is a database 'shop' already."]),
        ({"into": "shop"}, None, []),
        ({"into": "ж" * 31 + "x"}, None, []),
        (
            {"into": "ж" * 32},
            None,
            [f"The name {'ж' * 32!r} is longer than the 63 bytes that PostgreSQL keeps of one."],
        ),
        ({"tables": ("public.t",)}, None, ["There is no database 'shop' to restore into."]),
        ({"tables": ("public.t",)}, live(), []),
        ({}, None, []),
    ],
)
def test_the_database_that_is_restored_into(
    request_: dict[str, Any], replaced: Database | None, said: list[str]
) -> None:
    assert sentences(outline(request_, replaced=replaced, database=request_.get("into", "shop"))) == said


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("blocker", "said"),
    [
        ({"prepared": 2}, "shop has 2 prepared transactions"),
        ({"subscriptions": 1}, "shop has 1 subscriptions and 0 logical replication slots"),
        ({"slots": 3}, "shop has 0 subscriptions and 3 logical replication slots"),
    ],
)
def test_what_keeps_a_database_from_being_replaced(
    blocker: dict[str, int], said: str, in_place: bool
) -> None:
    (problem,) = sentences(outline({"in_place": in_place}, replaced=live(**blocker)))
    assert problem.startswith(said)
    assert sentences(outline({"tables": ("public.t",)}, replaced=live(**blocker))) == []


def test_a_token_that_cannot_be_read_is_noticed_before_anything_is_touched(tmp_path: Path) -> None:
    hook = Hook(url="http://127.0.0.1:1/stop", token_file=tmp_path / "token")
    server = Server(application=Application(stop=hook))
    (problem,) = sentences(outline(server=server))
    assert str(tmp_path / "token") in problem
    assert sentences(outline({"into": "other"}, server=server, replaced=None)) == []


@given(
    needed=st.none() | st.integers(0, 10**13),
    free=st.none() | st.integers(0, 10**13),
    request_=st.sampled_from([{}, {"into": "other"}, {"in_place": True}, {"tables": ("public.t",)}]),
)
def test_room_is_missing_only_where_a_second_copy_is_made_and_both_sizes_are_known(
    needed: int | None, free: int | None, request_: dict[str, Any]
) -> None:
    plan = outline(
        request_,
        replaced=None if "into" in request_ else live(),
        choice=BackupChoice(backup=BACKUP.evolve(source_size_bytes=needed), why=""),
        free_bytes=free,
    )
    is_second = plan.method != "selection"
    missing = is_second and needed is not None and free is not None and needed > free
    assert len(sentences(plan)) == missing
    told = dict(plan_text.lines(plan, factories.NOW)).get("room")
    assert (told is not None) == (is_second and needed is not None)
    if told and free is not None:
        assert told.endswith(f"{units.format_size(free)} are free on the server's disk")


def test_a_program_is_told_every_line_and_what_confirms_the_restore() -> None:
    roles = {"missing_roles": frozenset({"app", "shop"})}
    found = plan_text.document(outline({"roles": True}, **roles), factories.NOW)
    assert found["role"] == [f"{name} is created from the backup's globals" for name in ("app", "shop")]
    assert found["confirm"] == "shop"
    assert "left out" not in found
    assert isinstance(found["backup"], str)
    assert found["patterns"]["role"][0]["values"] == {"name": "app"}
    assert plan_text.document(outline({"into": "other"}, replaced=None), factories.NOW)["confirm"] == ""


def test_the_console_says_a_plan_in_another_language() -> None:
    chosen = select_backup.choose([BACKUP], BackupQuery(), now=factories.NOW)
    plan = outline({"in_place": True}, choice=chosen, same_server=False, missing_roles=frozenset({"app"}))
    output = json.dumps(plan_text.document(plan, factories.NOW)).encode()
    told = RestoreWish(backup=BACKUP.id).told(output)
    assert [(what, str(how)) for what, how in told.lines] == list(plan_text.lines(plan, factories.NOW))
    russian = {what: language("ru").sentence(how) for what, how in told.lines}
    assert russian["backup"] == f"{BACKUP.id} плана main-logical: единственная хорошая копия"
    assert russian["replaces"] == "shop (1,0 кБ, завершается 0 соединений): в конце она будет удалена"
    assert russian["role"] == "app создаётся из глобальных объектов копии"


def test_what_the_backup_lacks_by_its_plan_is_told_before_it_replaces_anything() -> None:
    logs = tuple(f"public.log_{number}" for number in range(22))
    backup = BACKUP.evolve(excluded_tables=logs, schema_only_tables=("public.session",))
    found = plan_text.document(outline(choice=BackupChoice(backup=backup, why="")), factories.NOW)
    assert found["left out"] == [
        f"by its plan, {', '.join(logs[:20])} and 2 more",
        "by its plan, the rows of public.session",
    ]


@pytest.mark.parametrize(("made_on", "server", "older"), [(17, 16, True), (17, 17, False), (15, 18, False)])
def test_a_dump_goes_into_the_same_major_version_or_a_newer_one(
    made_on: int, server: int, older: bool
) -> None:
    version = ServerFacts(version=f"{made_on}.5", version_number=made_on * 10000 + 5)
    backup = BACKUP.evolve(server_facts=version)
    if not older:
        preflight.same_or_newer(backup, server)
        return
    with pytest.raises(errors.ValidationError, match=f"PostgreSQL {made_on}; the server is {server}"):
        preflight.same_or_newer(backup, server)


def test_a_backup_that_does_not_say_its_version_is_tried() -> None:
    preflight.same_or_newer(BACKUP, 15)


def test_a_pipe_where_a_server_says_that_its_data_is_holds_nobody_up(tmp_path: Path) -> None:
    """A server of another host names a folder of its own; on this one somebody else may have made it."""
    (tmp_path / "global").mkdir()
    os.mkfifo(tmp_path / "global" / "pg_control")
    says = SimpleNamespace(execute=lambda *_: SimpleNamespace(fetchone=lambda: (str(tmp_path), 1, 1)))
    assert preflight.free_bytes(cast(psycopg.Connection, says)) is None
