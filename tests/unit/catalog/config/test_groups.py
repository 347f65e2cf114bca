"""Groups: what their servers and plans are, whose word counts, and where an error is told."""

from pathlib import Path

import pytest
import yaml

from pgbackstop_catalog.config import load, locate_catalog
from pgbackstop_catalog.config.yaml_file import BadConfig

GROUPS = """\
storages: {disk: {path: store}}
groups:
  payments:
    servers: ["pay-[1:3]"]
    labels: {team: payments, tier: silver}
    server: {host: "{server}.internal", password_file: "keys/{server}", wal: {enabled: false, slot: s}}
    plans:
      logical: {backup_type: logical, schedule: "H H(1-4) * * *", keep: {last: 3, daily: 7}}
      physical: {backup_type: physical, ping_url_file: "pings/{plan}"}
  bare: {}
servers:
  pay-2:
    port: 6432
    labels: {tier: gold}
    wal: {enabled: true}
    password_env: PAY_2
  other: {group: payments, host: null}
  alone: {group: bare}
plans:
  pay-2-logical: {schedule: "0 4 * * *", keep: {daily: null}}
  pay-3-physical: null
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


def loaded(file: Path, text: str = GROUPS) -> load.Loaded:
    file.write_text(text)
    return load.read(file)


def problems(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(BadConfig) as raised:
        load.load(file)
    return [line.removeprefix(f"{file}:") for line in str(raised.value).splitlines()]


def test_servers_have_what_their_group_says_and_their_own_word_counts_more(file: Path) -> None:
    servers = loaded(file).config.servers
    assert set(servers) == {"pay-1", "pay-2", "pay-3", "other", "alone"}
    first, second = servers["pay-1"], servers["pay-2"]
    assert (first.host, first.port, first.group) == ("pay-1.internal", 5432, "payments")
    assert first.password_file == file.parent / "keys" / "pay-1"
    assert first.labels == {"team": "payments", "tier": "silver"}
    assert (second.host, second.port) == ("pay-2.internal", 6432)
    assert second.labels == {"team": "payments", "tier": "gold"}
    assert (second.wal.enabled, second.wal.slot) == (True, "s")


def test_one_way_to_a_password_takes_the_place_of_another(file: Path) -> None:
    second = loaded(file).config.servers["pay-2"]
    assert (second.password_file, second.password_env) == (None, "PAY_2")


def test_null_takes_away_what_the_group_says(file: Path) -> None:
    config = loaded(file).config
    assert config.servers["other"].host == "127.0.0.1"
    keep = config.plans["pay-2-logical"].keep
    assert keep is not None
    assert (keep.last, keep.daily) == (3, None)
    assert "pay-3-physical" not in config.plans


def test_each_server_gets_each_plan_by_a_name_that_is_always_the_same(file: Path) -> None:
    plans = loaded(file).config.plans
    made = {f"{server}-{kind}" for server in ("pay-1", "pay-2", "other") for kind in ("logical", "physical")}
    assert set(plans) == {*made, "pay-3-logical", "alone-logical", "alone-physical"}
    assert plans["pay-1-physical"].ping_url_file == file.parent / "pings" / "pay-1-physical"
    assert {plan.server for name, plan in plans.items() if name.startswith("pay-2-")} == {"pay-2"}
    assert plans["pay-2-logical"].schedule == "0 4 * * *"
    assert plans["pay-1-logical"].schedule != plans["pay-3-logical"].schedule


def test_the_names_of_plans_are_known_without_the_model(file: Path) -> None:
    assert frozenset(loaded(file).config.plans) == locate_catalog.plans(file)


@pytest.mark.parametrize(
    "plans",
    [
        "",
        "plans:",
        "plans: {}",
        "groups: {g: {servers: [m], plans: {nightly: {backup_type: logical}}}}\nplans: {m-nightly: null}",
    ],
)
def test_where_no_plan_is_left_both_have_the_default_ones(file: Path, plans: str) -> None:
    text = f"storages: {{disk: {{path: s}}}}\nservers: {{m: {{}}}}\n{plans}\n"
    names = frozenset(loaded(file, text).config.plans)
    assert names == locate_catalog.plans(file) == frozenset({"m-logical", "m-physical"})


def test_a_server_without_a_group_keeps_the_default_plans_beside_groups(file: Path) -> None:
    text = GROUPS.replace("alone: {group: bare}", "alone: {}")
    assert {"alone-logical", "alone-physical"} <= set(loaded(file, text).config.plans)
    written = loaded(file, text + "  mine: {server: pay-1, backup_type: logical}\n").config.plans
    assert "mine" in written
    assert "alone-logical" not in written


def test_a_configuration_as_shown_means_the_same(file: Path) -> None:
    config = loaded(file).config
    shown = yaml.safe_dump(config.model_dump(mode="json"))
    again = loaded(file, shown).config
    assert again.servers == config.servers
    assert {name: plan for name, plan in again.plans.items() if name != "pay-3-physical"} == config.plans


def test_every_value_has_its_origin(file: Path) -> None:
    origins = loaded(file).origins

    def of(key: str) -> tuple[str, str, int] | None:
        found = origins.of(tuple(key.split("/")))
        return (found.key, found.group, origins.line(found)) if found else None

    assert of("servers/pay-1/host") == ("groups.payments.server.host", "payments", 6)
    assert of("servers/pay-2/port") == ("servers.pay-2.port", "", 13)
    assert of("servers/pay-2/labels/team") == ("groups.payments.labels.team", "payments", 5)
    assert of("servers/pay-2/labels/tier") == ("servers.pay-2.labels.tier", "", 14)
    assert of("servers/pay-1/user") is None
    assert of("servers/pay-2/password_file") is None
    assert of("plans/pay-1-logical/keep/daily") == (
        "groups.payments.plans.logical.keep.daily",
        "payments",
        8,
    )
    assert of("plans/pay-2-logical/schedule") == ("plans.pay-2-logical.schedule", "", 20)
    assert of("plans/alone-logical/server") is None
    own = {".".join(loc) for loc in origins.own_of_group("payments")}
    assert {"servers.pay-2.port", "plans.pay-2-logical.schedule", "plans.pay-3-physical"} <= own
    assert not [each for each in own if each.startswith("servers.pay-1") or "alone" in each]


WRONG = {
    "a key of the group": (
        ("wal: {enabled: false, slot: s}", "walls: 1"),
        ["6: groups.payments.server.walls: unknown key"],
    ),
    "a value of its plan": (
        ("H H(1-4)", "H(3-99) H(1-4)"),
        ["8: groups.payments.plans.logical.schedule: 'H(3-99)' must lie"],
    ),
    "a storage of its plan": (
        ("backup_type: physical", "backup_type: physical, storage: far"),
        ["9: groups.payments.plans.physical.storage: there is no storage 'far'"],
    ),
    "a server of its plan": (
        ("backup_type: physical", "backup_type: physical, server: pay-1"),
        ["9: groups.payments.plans.physical.server: unknown key"],
    ),
    "its range": (("[1:3]", "[3:1]"), ["4: groups.payments.servers: 'pay-[3:1]' stands for 0 names"]),
    "its names": (
        ("pay-[1:3]", "pay/[1:3]"),
        ["4: groups.payments.servers: is no name"],
    ),
    "no such group": (("group: bare", "group: nix"), ["18: servers.alone.group: there is no group 'nix'"]),
    "two groups": (
        ("bare: {}", "bare: {servers: [pay-3]}"),
        ["10: groups.bare.servers: group 'payments' has"],
    ),
    "a group that is no text": (("group: bare", "group: [1]"), ["18: servers.alone.group: must be text"]),
    "another group": (
        ("port: 6432", "group: bare"),
        ["13: servers.pay-2.group: group 'payments' lists it"],
    ),
    "a key of one server": (("port: 6432", "port: 99999"), ["13: servers.pay-2.port: must be a port"]),
    "a key of one plan": (('"0 4 * * *"', "1"), ["20: plans.pay-2-logical.schedule: must be text"]),
    "another server's plan": (
        ("keep: {daily: null}", "server: other"),
        ["20: plans.pay-2-logical.server: group 'payments' makes the plan of that name for 'pay-2'"],
    ),
    "a name too long": (("  other:", f"  {'o' * 60}:"), ["8: groups.payments.plans.logical: is no name"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_is_told_where_it_stands_and_once(file: Path, case: str) -> None:
    (old, new), expected = WRONG[case]
    assert old in GROUPS
    found = problems(file, GROUPS.replace(old, new, 1))
    for words in expected:
        assert len([each for each in found if each.startswith(words)]) == 1, found


def test_two_plans_of_one_name_are_refused(file: Path) -> None:
    text = """\
storages: {disk: {path: store}}
groups:
  g:
    servers: [a, a-b]
    plans: {b-c: {backup_type: logical}, c: {backup_type: logical}}
"""
    assert problems(file, text) == ["5: groups.g.plans.c: makes a second plan 'a-b-c', of a-b and of a"]


def test_a_plan_of_a_group_does_not_take_the_place_of_another_server_s_default_plan(file: Path) -> None:
    text = """\
storages: {disk: {path: store}}
groups:
  g:
    servers: [a]
    plans: {b-logical: {backup_type: logical}}
servers: {a-b: {}}
"""
    told = "5: groups.g.plans.b-logical: makes a second plan 'a-b-logical', of a and of a-b"
    assert problems(file, text) == [told]


@pytest.mark.parametrize(
    "groups",
    ["7", "[a]", "{a: 7}", "{a: {servers: 7}}", "{a: {plans: [1]}}", "{a: {server: [1]}}", "{1: {}}"],
)
def test_what_is_no_group_is_refused_by_the_model(file: Path, groups: str) -> None:
    text = f"storages: {{disk: {{path: s}}}}\nservers: {{m: {{}}}}\ngroups: {groups}\n"
    assert all(each.startswith("3: groups") for each in problems(file, text))
    assert locate_catalog.plans(file) is not None
