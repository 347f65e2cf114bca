"""The configuration of a fleet: plans of three servers, due at times that fit the records of the moment."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.integration.console.conftest import HASH, ROLES

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
# Of people who write from the left and from the right, and of one who tries what is escaped.
DATABASES = ("shop", "магазин", "متجر الكتب", "<b>sale</b>")


def daily(now: datetime, due_in: timedelta) -> str:
    """A schedule that is due every day, five minutes before that time: what ran then is of this due time."""
    due = now + due_in - 5 * MINUTE
    return f"{due.minute} {due.hour} * * *"


def document(now: datetime, port: int, folder: Path) -> dict[str, Any]:
    """Six plans of three servers; ``offsite`` names a disk that is not mounted."""
    plan: dict[str, Any] = {"backup_type": "logical", "drill": {"enabled": False}, "grace": "6h"}
    return {
        "servers": {
            "shop": {"host": "127.0.0.1"},
            "crm": {"host": "127.0.0.1", "wal": {"enabled": False}},
            "billing": {"host": "127.0.0.1", "wal": {"enabled": False}},
        },
        "storages": {
            "disk": {"kind": "folder", "path": "store", "reserve": 0},
            "offsite": {"kind": "folder", "path": str(folder / "offsite"), "reserve": 0},
        },
        "plans": {
            "shop-logical": {
                **plan,
                "server": "shop",
                "databases": list(DATABASES),
                "schedule": daily(now, 6 * HOUR),
            },
            "shop-physical": {
                "server": "shop",
                "backup_type": "physical",
                "schedule": daily(now, 7 * HOUR),
                "drill": {"enabled": False},
            },
            "crm-logical": {**plan, "server": "crm", "databases": ["crm"], "schedule": daily(now, 5 * HOUR)},
            "crm-late": {**plan, "server": "crm", "databases": ["mail"], "schedule": daily(now, -3 * HOUR)},
            "crm-paused": {**plan, "server": "crm", "databases": ["old"], "enabled": False},
            "billing-new": {
                **plan,
                "server": "billing",
                "databases": ["billing"],
                "schedule": daily(now, 4 * HOUR),
            },
            "billing-offsite": {
                **plan,
                "server": "billing",
                "databases": ["ledger"],
                "storage": "offsite",
                "schedule": daily(now, 8 * HOUR),
            },
        },
        "console": {
            "listen": f"127.0.0.1:{port}",
            "name": "Backups of the shop",
            "users": {name: {"role": role, "password_hash": HASH} for name, role in ROLES.items()},
        },
    }
