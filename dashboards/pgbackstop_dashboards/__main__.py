"""``python -m pgbackstop_dashboards [FOLDER]`` writes the JSON anew; beside this package when left out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from pgbackstop_dashboards import backup_fleet, backup_history, backup_plan, backup_status, grafana

FOLDER: Final = Path(__file__).parents[1]
PAGES: Final = (backup_status.page, backup_plan.page, backup_history.page, backup_fleet.page)


def files() -> dict[str, str]:
    """The text of each file by its name."""
    return {f"{page.uid}.json": grafana.to_json(page) for page in (make() for make in PAGES)}


def write(folder: Path) -> None:
    """Every file into ``folder``."""
    for name, text in files().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
