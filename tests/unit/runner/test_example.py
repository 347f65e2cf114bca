"""The example and the reference of the configuration: every key of the model, and nothing else."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from pgbackstop_catalog.config import load, reference
from pgbackstop_catalog.config.configuration import Config, default_plans
from pgbackstop_runner import main

EXAMPLE = resources.files("pgbackstop_runner").joinpath("example.yaml").read_text(encoding="utf-8")
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
_COMMENTED_KEY = re.compile(r"^(\s*)#([a-z_-])", re.MULTILINE)
_EXAMPLE_BELOW = re.compile(r"\[\](?= .*, like$)", re.MULTILINE)


def everything() -> dict[str, Any]:
    """The example with the keys that stand behind a #."""
    text = _EXAMPLE_BELOW.sub("", _COMMENTED_KEY.sub(r"\1\2", EXAMPLE))
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def keys(place: str, value: Any) -> set[str]:
    """The keys of a document, as the reference names their places."""
    if isinstance(value, list):
        return set().union(*(keys(place + "[]", each) for each in value))
    if not isinstance(value, dict) or place.endswith(".labels"):  # whose names are the reader's own
        return set()
    if place in {"groups.NAME.server", "groups.NAME.plans"}:  # the keys of servers and plans
        return set()
    if place in {"servers", "storages", "groups", "discovery", "plans", "console.users"}:
        return set().union(*(keys(place + ".NAME", each) for each in value.values()))
    here = {f"{place}.{name}".lstrip(".") for name in value}
    return here.union(*(keys(f"{place}.{name}".lstrip("."), each) for name, each in value.items()))


def keys_of_the_model() -> set[str]:
    return {
        f"{place}.{name}".lstrip(".") for place, model in reference.sections() for name in model.model_fields
    }


def test_the_example_has_every_key_and_no_other() -> None:
    assert keys("", everything()) == keys_of_the_model()


def test_the_example_is_right_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pgbackstop.yaml"
    path.write_text(EXAMPLE)
    assert set(load.load(path).plans) == set(default_plans({"main": {}}))


def test_what_the_example_writes_out_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "pgbackstop.yaml"
    path.write_text(EXAMPLE)
    written = load.load(path)
    minimal = Config.model_validate({"servers": {"main": {}}, "storages": written.model_dump()["storages"]})
    assert written.servers == minimal.servers
    assert (written.daemon, written.log, written.notifications) == (
        minimal.daemon,
        minimal.log,
        minimal.notifications,
    )
    for name, plan in written.plans.items():
        default = minimal.plans[name]
        assert plan.effective_schedule() == default.effective_schedule()
        assert plan.effective_keep() == default.effective_keep()
        assert plan.effective_format() == default.effective_format()
        same = {"schedule": None, "keep": None, "format": None}
        assert plan.evolve(**same) == default.evolve(**same)


def test_every_key_has_a_meaning() -> None:
    silent = {
        f"{place}.{name}"
        for place, model in reference.sections()
        for name, field in model.model_fields.items()
        if not field.description
    }
    assert silent == set()


def test_the_reference_is_the_model() -> None:
    assert REFERENCE.read_text() == reference.document()


def test_the_commands_print_them() -> None:
    runner = CliRunner()
    assert runner.invoke(main.app, ["config", "example"]).stdout.strip() == EXAMPLE.strip()
    assert runner.invoke(main.app, ["config", "reference"]).stdout.strip() == REFERENCE.read_text().strip()


def test_the_reference_writes_defaults_as_the_file_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*?\| `([^`]*)` \|", reference.document(), re.MULTILINE)
    assert {("records", "400d"), ("retain_slot_bytes", "10GB"), ("row_counts", "true")} <= set(rows)
