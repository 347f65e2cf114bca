"""Installs the packages of Grafana that draw the dashboards in tests into `.venv/grafana-ui/`.

Run as `python -m tests.support.install_grafana_ui` by `make test-tools`: a test run itself downloads nothing.
They are published under Apache-2.0 for plugins, about 400 MB with what they need, and only tests use them.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "tests" / "dashboards" / "pictures"
TARGET = ROOT / ".venv" / "grafana-ui"
MODULES = TARGET / "node_modules"
STAMP = TARGET / ".made-from"
FILES = ("package.json", "package-lock.json")


def fingerprint() -> str:
    """Of what is to be installed."""
    return hashlib.sha256(b"".join((PINS / name).read_bytes() for name in FILES)).hexdigest()


def is_current() -> bool:
    """Whether just that is installed; the stamp is written last, so half an installation is none."""
    return STAMP.is_file() and STAMP.read_text() == fingerprint()


def install() -> None:
    """What the lock says, running no script of a package. Raises subprocess.CalledProcessError."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for name in FILES:
        shutil.copy(PINS / name, TARGET)
    flags = ("--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    subprocess.run(["npm", "ci", *flags], cwd=TARGET, check=True)
    STAMP.write_text(fingerprint())


def main() -> int:
    """0 also where it cannot be: the tests that need it skip then, with the reason."""
    if is_current():
        return 0
    if shutil.which("npm") is None:
        sys.stderr.write("npm is not installed: the pictures of the dashboards will not be drawn\n")
        return 0
    sys.stderr.write(f"installing Grafana's components for the tests into {TARGET}\n")
    try:
        install()
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{error}: the pictures of the dashboards will not be drawn\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
