"""Installs the packages of Grafana that draw the dashboards in tests into `.venv/grafana-ui/`.

Run as `python -m tests.support.install_grafana_ui` by `make test-tools`: a test run itself downloads nothing.
They are published under Apache-2.0 for plugins, about 400 MB with what they need, and only tests use them.
"""

import sys

from tests.support.npm_packages import ROOT, NpmPackages

PACKAGES = NpmPackages(
    pins=ROOT / "tests" / "dashboards" / "pictures",
    target=ROOT / ".venv" / "grafana-ui",
    what="Grafana's components",
    lost="the pictures of the dashboards will not be drawn",
)
MODULES = PACKAGES.modules

if __name__ == "__main__":
    sys.exit(PACKAGES.main())
