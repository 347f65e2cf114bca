"""Sessions end, and passwords may be tried a few times."""

from pgbackstop_runner.console.sessions import MOST_SESSIONS, TRIES, TRIES_IN, Attempts, ByPassword, Sessions


def test_a_session_is_known_by_its_token_until_it_ends() -> None:
    sessions = Sessions()
    token = sessions.begin("anna", ByPassword(password_hash="hash"), now=0.0, seconds=10.0)
    found = sessions.of(token, now=9.9)
    assert found is not None
    assert (found.user, found.entered) == ("anna", ByPassword(password_hash="hash"))
    assert sessions.of(token, now=10.0) is None
    assert sessions.of(token + "x", now=0.0) is None
    assert token not in repr(sessions)
    assert "hash" not in repr(found)


def test_the_oldest_session_ends_where_there_are_too_many() -> None:
    sessions = Sessions()
    first, second, *_ = [
        sessions.begin("anna", ByPassword(password_hash="hash"), now=0.0, seconds=10.0)
        for _ in range(MOST_SESSIONS + 1)
    ]
    assert sessions.of(first, now=0.0) is None
    assert sessions.of(second, now=0.0) is not None


def test_a_name_may_be_tried_again_after_a_minute_or_a_success() -> None:
    attempts = Attempts()
    assert all(attempts.begin("host", "anna", now=float(second)) for second in range(TRIES))
    assert not attempts.begin("host", "anna", now=TRIES + 0.0)
    assert attempts.begin("host", "bert", now=TRIES + 0.0)
    assert attempts.begin("other", "anna", now=TRIES + 0.0)
    assert attempts.begin("host", "anna", now=TRIES_IN)
    attempts.succeeded("host", "anna")
    assert all(attempts.begin("host", "anna", now=TRIES_IN) for _ in range(TRIES))


def test_more_addresses_of_one_network_are_not_more_tries() -> None:
    attempts = Attempts()
    assert all(attempts.begin(f"2001:db8::{number:x}", "anna", now=0.0) for number in range(TRIES))
    assert not attempts.begin("2001:db8::ffff:1", "anna", now=0.0)
    assert attempts.begin("2001:db8:0:1::1", "anna", now=0.0)
    assert attempts.begin("192.0.2.1", "anna", now=0.0)
    attempts.succeeded("2001:db8::abcd", "anna")
    assert attempts.begin("2001:db8::1", "anna", now=0.0)
