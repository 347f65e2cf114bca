"""Installs Azurite, Microsoft's emulator of Azure Blob Storage, into `.venv/azurite/`.

Run as `python -m tests.support.install_azurite` by `make test-tools`: a test run itself downloads nothing.
It is published under the MIT licence, about 360 MB with what it needs, and only tests use it.
"""

import sys

from tests.support.npm_packages import ROOT, NpmPackages

PACKAGES = NpmPackages(
    pins=ROOT / "tests" / "integration" / "copies" / "azurite",
    target=ROOT / ".venv" / "azurite",
    what="Azurite",
    lost="copies to Azure will not be tried",
)
PROGRAM = PACKAGES.modules / "azurite" / "dist" / "src" / "blob" / "main.js"

if __name__ == "__main__":
    sys.exit(PACKAGES.main())
