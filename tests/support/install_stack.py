"""Prepares what the stack's test builds its stand-in images from, into `.venv/stack/`.

Run as `python -m tests.support.install_stack` by `make test`, before pytest: a test run itself downloads
nothing, and pulls no image. `base.tar` is a minimal Debian with Python, and the wheels that the project's
Dockerfiles install; pip in it looks for them there and nowhere else.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / ".venv" / "stack"
BASE = TARGET / "base.tar"
STAMP = TARGET / ".made-from"
SUITE = "bookworm"
LOCKS = tuple(ROOT / "requirements" / f"{name}.txt" for name in ("build", "runner", "exporter", "shop"))
# busybox: wget, as the images of Prometheus have; lib*: the PostgreSQL wheels link them; the rest is what
# the images of Python and PostgreSQL have, or what the Dockerfiles would install.
PACKAGES = (
    "busybox",
    "ca-certificates",
    "libgssapi-krb5-2",
    "libreadline8",
    "libssl3",
    "libxml2",
    "lz4",
    "python3",
    "python3-pip",
    "python3-venv",
    "tzdata",
    "zstd",
)
PIP_CONF = "[global]\nno-index = true\nfind-links = /wheels\n"
# Lists and archives of packages are the greater part of a fresh system, and nothing is installed later.
_LEFT_OUT = ("./dev", "./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/man")


def impossible() -> str | None:
    """Why this machine cannot prepare or run it, or None."""
    if os.geteuid() != 0:
        return "needs root: a Docker engine of its own is started"
    missing = [
        name for name in ("debootstrap", "dockerd", "docker", "ip", "nsenter") if shutil.which(name) is None
    ]
    if missing:
        return f"{', '.join(missing)} not installed: run scripts/debian-packages.sh"
    return None


def fingerprint() -> str:
    """Of everything that the archive is made from."""
    made_from = repr((SUITE, PACKAGES, PIP_CONF, [lock.read_text() for lock in LOCKS]))
    return hashlib.sha256(made_from.encode()).hexdigest()


def is_current() -> bool:
    """Whether the archive is there and made from what the repository says now."""
    return BASE.is_file() and STAMP.is_file() and STAMP.read_text() == fingerprint()


def install() -> None:
    """Make the archive. Raises subprocess.CalledProcessError; the tools' own words are on stderr."""
    STAMP.unlink(missing_ok=True)
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pgbs-stack-") as name:
        root = Path(name) / "root"
        _bootstrap(root)
        _download(root / "wheels")
        (root / "etc" / "pip.conf").write_text(PIP_CONF)
        # The Dockerfiles' `apt-get update` finds nothing to ask, and their packages are there.
        (root / "etc" / "apt" / "sources.list").write_text("")
        excluded = [f"--exclude={path}" for path in _LEFT_OUT]
        subprocess.run(["tar", "-c", "-C", str(root), *excluded, "-f", str(BASE), "."], check=True)
    STAMP.write_text(fingerprint())


def _bootstrap(root: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        log = root / "debootstrap" / "debootstrap.log"
        sys.stderr.write(answer.stdout[-2000:] + answer.stderr[-2000:])
        sys.stderr.write(log.read_text()[-2000:] if log.is_file() else "")
        answer.check_returncode()


def _download(folder: Path) -> None:
    # For the Python of the base, whatever runs here.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [
        "--require-hashes",
        "--python-version",
        "3.11",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
    ]
    subprocess.run([*command, *(f"--requirement={lock}" for lock in LOCKS)], check=True)


def main() -> int:
    """Prepares what is missing; returns the exit code."""
    reason = impossible()
    if reason is not None:
        print(f"the stack's test will skip: {reason}")
    elif not is_current():
        print(f"preparing the base of the stack's stand-in images in {TARGET}", flush=True)
        install()
    return 0


if __name__ == "__main__":
    sys.exit(main())
