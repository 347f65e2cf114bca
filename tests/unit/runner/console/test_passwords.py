"""Passwords belong to one name, as they are whole."""

import asyncio

import bcrypt
import pytest

from pgbackstop_catalog.config.console import User
from pgbackstop_runner.console.passwords import Passwords
from pgbackstop_runner.system.password_hash import LONGEST


def user(password: str) -> User:
    return User(password_hash=bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode())


WHOLE = "é" * (LONGEST // 2)
USERS = {"ada": user("correct horse battery"), "otto": user(WHOLE)}


@pytest.mark.parametrize(
    ("name", "password", "is_right"),
    [
        ("ada", "correct horse battery", True),
        ("otto", WHOLE, True),
        ("otto", WHOLE + "x", False),
        ("otto", "correct horse battery", False),
        ("nobody", "correct horse battery", False),
        ("nobody", "", False),
        ("ada", "correct horse battery\0", False),
    ],
)
def test_name_and_password_belong_together(name: str, password: str, is_right: bool) -> None:
    assert asyncio.run(Passwords().is_right(USERS, name, password)) is is_right


def test_nobody_is_let_in_where_there_are_no_users() -> None:
    assert not asyncio.run(Passwords().is_right({}, "ada", ""))
