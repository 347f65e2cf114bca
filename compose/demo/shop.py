"""The demo's shop: fills its database once, serves its pages, and orders there every two seconds itself."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg

from pgbackstop_runner.demo import shop, shop_app
from pgbackstop_runner.demo.traffic import OrderTraffic

SECRETS = Path("/run/demo-shop")
SERVER = "demo-postgres"
PORT = 8000
# Names under which the runner, and a person at the published port, ask for it.
HOSTS = frozenset({"demo-shop", "127.0.0.1", "localhost"})
PAUSE_SECONDS = 2.0


def connect() -> psycopg.Connection:
    """Raises psycopg.Error."""
    return shop_app.connect(SECRETS / "shop.password", host=SERVER)


def open_shop() -> None:
    """Fill the database where it is empty, and let the customers in. Errors are said, and tried again."""
    while True:
        try:
            with closing(connect()) as owner:
                if not shop.is_filled(owner):
                    owner.execute("set statement_timeout = 0")  # the whole shop is made at once
                    shop.fill(owner)
            break
        except psycopg.Error as error:
            sys.stderr.write(f"shop: {' '.join(str(error).split())}\n")
        time.sleep(PAUSE_SECONDS)
    OrderTraffic(f"http://127.0.0.1:{PORT}/orders").start()


def main() -> None:
    """Until the container is stopped."""
    threading.Thread(target=open_shop, daemon=True, name="open").start()
    guard = shop_app.Guard(hosts=HOSTS, token=(SECRETS / "maintenance.token").read_text(encoding="utf-8"))
    # To every address of the container: who reaches it is up to what compose.yaml publishes.
    shop_app.serve(shop_app.application(shop_app.Store(connect), guard), PORT, listen="0.0.0.0")  # noqa: S104


if __name__ == "__main__":
    main()
