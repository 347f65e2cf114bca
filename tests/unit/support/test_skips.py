"""A skip is a failure where everything is required, except what a platform cannot do."""

import pytest

from tests.support import skips


def skipped(reason: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="t",
        location=("t.py", 1, "t"),
        keywords={},
        outcome="skipped",
        longrepr=("t.py", 1, f"Skipped: {reason}"),
        when="setup",
    )


def test_a_skip_fails_where_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGBACKSTOP_REQUIRE_ALL", "1")
    report = skipped("no promtool")
    skips.enforce(report)
    assert report.failed
    assert "no promtool" in str(report.longrepr)


def test_a_skip_stays_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGBACKSTOP_REQUIRE_ALL", raising=False)
    report = skipped("no promtool")
    skips.enforce(report)
    assert report.skipped


def test_the_platforms_limits_stay_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGBACKSTOP_REQUIRE_ALL", "1")
    with pytest.raises(pytest.skip.Exception) as raised:
        skips.platform_impossible("no wheel for this processor")
    report = skipped(str(raised.value))
    skips.enforce(report)
    assert report.skipped


def test_an_expected_failure_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGBACKSTOP_REQUIRE_ALL", "1")
    report = skipped("a known bug")
    setattr(report, "wasxfail", "a known bug")  # noqa: B010  # pytest adds it, its types do not know it
    skips.enforce(report)
    assert report.skipped
