"""Packages of npm that tests use, installed by a lock into a folder of `.venv`, as `make test-tools` does."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FILES = ("package.json", "package-lock.json")


@dataclass(frozen=True, kw_only=True)
class NpmPackages:
    """What a lock in the folder ``pins`` names; ``lost`` says what there is not without it."""

    pins: Path
    target: Path
    what: str
    lost: str

    @property
    def modules(self) -> Path:
        return self.target / "node_modules"

    @property
    def _stamp(self) -> Path:
        return self.target / ".made-from"

    def fingerprint(self) -> str:
        """Of what is to be installed."""
        return hashlib.sha256(b"".join((self.pins / name).read_bytes() for name in _FILES)).hexdigest()

    def is_current(self) -> bool:
        """Whether just that is installed; the stamp is written last, so half an installation is none."""
        return self._stamp.is_file() and self._stamp.read_text() == self.fingerprint()

    def install(self) -> None:
        """What the lock says, running no script of a package. Raises subprocess.CalledProcessError."""
        shutil.rmtree(self.target, ignore_errors=True)
        self.target.mkdir(parents=True)
        for name in _FILES:
            shutil.copy(self.pins / name, self.target)
        flags = ("--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
        subprocess.run(["npm", "ci", *flags], cwd=self.target, check=True)
        self._stamp.write_text(self.fingerprint())

    def main(self) -> int:
        """0 also where it cannot be: the tests that need it skip then, with the reason."""
        if self.is_current():
            return 0
        if shutil.which("npm") is None:
            sys.stderr.write(f"npm is not installed: {self.lost}\n")
            return 0
        sys.stderr.write(f"installing {self.what} for the tests into {self.target}\n")
        try:
            self.install()
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{error}: {self.lost}\n")
        return 0
