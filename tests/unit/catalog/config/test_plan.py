"""What a plan means where its file says nothing: defaults by type, and limits that follow from the others."""

from typing import Any

import pytest

from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.config.plan import Plan


def test_the_defaults_of_both_types() -> None:
    logical = Plan(server="main", backup_type="logical")
    physical = Plan(server="main", backup_type="physical")
    assert (logical.effective_format(), physical.effective_format()) == ("custom", "tar")
    assert (logical.effective_keep(), physical.effective_keep()) == (Keep(last=7), Keep(last=4))
    assert (logical.effective_rpo_target(), physical.effective_rpo_target()) == (86400.0, 7 * 86400.0)
    assert logical.effective_max_age() == 25 * 3600
    assert physical.effective_max_age() == 7 * 86400 + physical.max_duration + physical.grace
    assert logical.evolve(max_age=60, rpo_target=30).effective_max_age() == 60
    assert logical.evolve(rpo_target=30).effective_rpo_target() == 30


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({"keep": {"last": 5}}, 4 * 7),
        ({"keep": {"within": "60d"}}, 53),
        ({"keep": {"daily": 10}}, 9 * 7),
        ({"keep": {"monthly": 3, "last": 2}}, 56),
        ({"keep": {"last": 1, "minimum": 1}}, 0),
        ({"recovery_window": "30d"}, 30),
        ({"recovery_window": 0}, 0),
    ],
)
def test_how_far_back_a_server_must_be_recoverable(changes: dict[str, Any], days: int) -> None:
    plan = Plan.model_validate(
        {"server": "main", "backup_type": "physical", "max_duration": 0, "grace": 0, **changes}
    )
    assert plan.effective_recovery_window() == days * 86400


def test_proofs_grow_old_with_the_interval_of_the_drills() -> None:
    def limit(**drill: object) -> float | None:
        plan = {"server": "main", "backup_type": "logical", "drill": drill}
        return Plan.model_validate(plan).effective_proof_max_age()

    assert limit() == 8 * 86400
    assert limit(schedule="0 5 1 * *") == 32 * 86400
    assert limit(enabled=False) is None
