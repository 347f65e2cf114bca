"""The demo's shop: fills its database once, then orders every two seconds, so that there is much to lose."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg

from pgbackstop_runner.demo import shop

PASSWORDS = Path("/run/demo")
HOST = "demo-postgres"
PAUSE_SECONDS = 2.0
# Its age is the shop's health.
LAST_ORDER = Path("/tmp/last-order")  # noqa: S108 - the container's own


def connect(user: str, database: str) -> psycopg.Connection:
    """In autocommit mode. Raises psycopg.Error."""
    return psycopg.connect(
        host=HOST,
        user=user,
        dbname=database,
        password=(PASSWORDS / f"{user}.password").read_text(encoding="utf-8"),
        application_name="shop",
        connect_timeout=5,
        autocommit=True,
    )


def prepare() -> None:
    """Make the owner, the database and its rows, where they are not there."""
    password = (PASSWORDS / f"{shop.OWNER}.password").read_text(encoding="utf-8")
    with closing(connect("postgres", "postgres")) as superuser:
        shop.create(superuser, password)
    with closing(connect(shop.OWNER, shop.DATABASE)) as owner:
        if not shop.is_filled(owner):
            shop.fill(owner)


def sell() -> None:
    """Until the connection ends, as a restore makes it."""
    with closing(connect(shop.OWNER, shop.DATABASE)) as owner:
        while True:
            shop.place_order(owner)
            LAST_ORDER.touch()
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Until the container is stopped. Errors of the database are said, and tried again."""
    filled = False
    while True:
        try:
            if not filled:
                prepare()
                filled = True
            sell()
        except psycopg.Error as error:
            sys.stderr.write(f"shop: {' '.join(str(error).split())}\n")
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
