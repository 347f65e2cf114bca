"""Of several places that hold a backup's bytes the nearest is used that can be read."""

from collections.abc import Callable

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage import sources
from pgbackstop_runner.storage.protocol import Damaged, Sealed, StoreError
from pgbackstop_runner.storage.sources import Source

THREE = tuple(Source(storage=name, reason="the nearest") for name in (None, "disk", "bucket"))


def failing(**wrong: Exception) -> Callable[[Source], str]:
    """Reads all but these; the backup's own folder is called "own"."""

    def use(source: Source) -> str:
        name = source.storage or "own"
        if name in wrong:
            raise wrong[name]
        return name

    return use


def test_the_nearest_is_used_where_nothing_is_wrong() -> None:
    assert sources.first_usable("Backup 1", "local", THREE, failing()) == (THREE[0], "own")


@pytest.mark.parametrize(
    "wrong",
    [
        AttemptFailed(Reason.CORRUPT, "It is damaged."),
        errors.CatalogError("It is damaged."),
        errors.ConfigError("It is damaged."),
        StoreError("It is damaged."),
        Damaged("It is damaged."),
        Sealed("It is damaged."),
    ],
)
def test_what_cannot_be_read_is_passed_over_with_a_note(wrong: Exception) -> None:
    used, read = sources.first_usable("Backup 1", "local", THREE, failing(own=wrong, disk=wrong))
    assert (used.storage, read) == ("bucket", "bucket")
    assert used.reason == "the nearest that can be read"
    assert used.passed_over == ("local: It is damaged.", "disk: It is damaged.")


def test_what_the_operating_system_refuses_is_passed_over_too() -> None:
    refused = PermissionError(13, "Permission denied", "/backups")
    used, _read = sources.first_usable("Backup 1", "local", THREE, failing(own=refused))
    assert "Permission denied" in used.passed_over[0]


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.SPACE, Reason.TOOL])
def test_what_another_source_would_not_change_ends_it_at_once(reason: Reason) -> None:
    """A drill whose time is over must not begin anew from the next storage."""
    late = AttemptFailed(reason, "It took too long.")
    with pytest.raises(AttemptFailed, match="It took too long") as caught:
        sources.first_usable("Backup 1", "local", THREE, failing(own=late))
    assert caught.value is late


def test_the_only_source_says_itself_what_is_wrong() -> None:
    wrong = Sealed("No identity opens it.")
    with pytest.raises(Sealed) as caught:
        sources.first_usable("Backup 1", "local", THREE[1:2], failing(disk=wrong))
    assert caught.value is wrong


def test_where_none_can_be_read_each_says_why() -> None:
    damaged, away = AttemptFailed(Reason.CORRUPT, "Damaged."), StoreError("Unreachable.")
    use = failing(own=damaged, disk=away, bucket=away)
    with pytest.raises(AttemptFailed, match="Backup 1 can be read nowhere") as caught:
        sources.first_usable("Backup 1", "local", THREE, use)
    assert caught.value.reason is Reason.CORRUPT
    said = caught.value.problem
    assert all(each in said for each in ("local: Damaged.", "disk: Unreachable.", "bucket: Unreachable."))


def test_a_later_one_that_refuses_the_request_does_not_hide_why_the_nearest_failed() -> None:
    damaged, refused = AttemptFailed(Reason.CORRUPT, "Damaged."), errors.ValidationError("Not in its window.")
    used, _read = sources.first_usable("Backup 1", "local", THREE, failing(own=damaged, disk=refused))
    assert (used.storage, used.passed_over) == ("bucket", ("local: Damaged.", "disk: Not in its window."))
    with pytest.raises(AttemptFailed, match=r"local: Damaged\. disk: Not in its window\.") as caught:
        sources.first_usable("Backup 1", "local", THREE[:2], failing(own=damaged, disk=refused))
    assert (caught.value.reason, caught.value.__cause__) == (Reason.CORRUPT, damaged)
    with pytest.raises(errors.ValidationError) as first:
        sources.first_usable("Backup 1", "local", THREE, failing(own=refused))
    assert first.value is refused
