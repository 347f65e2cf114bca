"""Images for the names that compose.yaml and the project's Dockerfiles pin, made here: none can be pulled.

The programs in them are real: PostgreSQL of the tests, Prometheus, Alertmanager and postgres_exporter of
Debian. Grafana is the one that installs from nowhere.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack.engine import Engine
from tests.support import binaries, install_stack

HERE = Path(__file__).parent / "stand_ins"
MAJOR = 17
BASE = "pgbackstop-test/base"
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-postgres-exporter")
TEMPLATES = Path("/usr/share/prometheus/alertmanager")


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A target of stand_ins/Dockerfile, and the pinned name that it stands for."""

    target: str
    image: str


def wanted(project: Path) -> list[StandIn]:
    """By the names that the project's files say, so that a new pin needs no change here."""
    compose = (project / "compose.yaml").read_text()
    dockerfile = (project / "compose" / "exporter" / "Dockerfile").read_text()
    named = {
        "python": re.findall(r"FROM (python:\S+)", dockerfile),
        "prometheus": re.findall(r"image: (prom/prometheus:\S+)", compose),
        "alertmanager": re.findall(r"image: (prom/alertmanager:\S+)", compose),
        "postgres-exporter": re.findall(r"image: (prometheuscommunity/postgres-exporter:\S+)", compose),
        "postgres": [
            f"postgres:{version}-bookworm" for version in re.findall(r"POSTGRES_VERSION:-([\d.]+)", compose)
        ],
    }
    return [StandIn(target=target, image=images[0]) for target, images in named.items()]


def build(engine: Engine, stand_ins: list[StandIn]) -> None:
    """Import the base and build each. Skips where what they are made of is not installed."""
    context = _context(engine.folder / "stand_ins")
    engine.run("docker", "import", str(install_stack.BASE), BASE)
    for each in stand_ins:
        engine.run(
            "docker", "build", "--quiet", "--target", each.target, "--tag", each.image,
            "--build-arg", f"PG_MAJOR={MAJOR}", str(context),
        )  # fmt: skip


def _context(folder: Path) -> Path:
    try:
        server = binaries.find(MAJOR)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: run scripts/debian-packages.sh")
    shutil.copytree(HERE, folder)
    shutil.copytree(server.folder.parent, folder / "postgresql", symlinks=True)
    shutil.copytree(TEMPLATES, folder / "alertmanager-templates")
    for name in PROGRAMS:
        shutil.copy2(str(shutil.which(name)), folder / name)
    return folder
