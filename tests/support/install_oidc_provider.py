"""Installs oidc-provider, a certified OpenID Connect provider for Node.js, into `.venv/oidc-provider/`.

Run as `python -m tests.support.install_oidc_provider` by `make test-tools`: a test run itself downloads
nothing. It is published under the MIT licence, about 10 MB with what it needs, and only tests use it.
"""

import sys

from tests.support.npm_packages import ROOT, NpmPackages

PACKAGES = NpmPackages(
    pins=ROOT / "tests" / "integration" / "console" / "oidc_provider",
    target=ROOT / ".venv" / "oidc-provider",
    what="an OpenID Connect provider",
    lost="single sign-on will not be tried against a real provider",
)
PROGRAM = PACKAGES.pins / "provider.mjs"

if __name__ == "__main__":
    sys.exit(PACKAGES.main())
