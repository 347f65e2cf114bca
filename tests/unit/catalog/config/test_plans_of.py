"""The plans of a server, gathered once for a configuration, and no part of what it says."""

from pathlib import Path

from tests.support import factories


def test_plans_of_a_server(tmp_path: Path) -> None:
    config = factories.config(tmp_path)
    assert list(config.plans_of("main")) == ["daily", "weekly"]
    assert config.plans_of("main")["daily"] is config.plans["daily"]
    assert config.plans_of("nobody") == {}


def test_a_configuration_that_was_asked_is_the_same(tmp_path: Path) -> None:
    asked, other = factories.config(tmp_path), factories.config(tmp_path)
    asked.plans_of("main")
    assert asked == other
    changed = asked.evolve(plans={"weekly": asked.plans["weekly"]})
    assert list(changed.plans_of("main")) == ["weekly"]
    assert asked.model_dump() == other.model_dump()
