"""What the log keeps of an error, beside the sentence that a person gets."""

from structlog.testing import capture_logs

from pgbackstop_catalog import errors
from pgbackstop_runner.system import log


def test_the_traceback_of_a_bug_is_kept_with_what_it_was_about() -> None:
    bug = ZeroDivisionError("division by zero")
    with capture_logs() as lines:
        known = log.as_error(bug, plan="daily")
    assert isinstance(known, errors.Bug)
    assert lines == [{"log_level": "error", "event": "bug", "exc_info": bug, "plan": "daily"}]


def test_what_is_no_bug_is_only_said() -> None:
    with capture_logs() as lines:
        assert isinstance(log.as_error(KeyboardInterrupt()), errors.Interrupted)
        log.as_error(OSError(13, "Permission denied"))
    assert lines == []
