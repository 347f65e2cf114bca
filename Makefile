# One line each, the same by hand and in CI. PYTHON, APT=no, PYTEST_ARGS and LOCK_ARGS may be given.
PYTHON ?= python3
# Four on two cores, because many tests wait; stolen, so that what the stack's tests keep waiting is run elsewhere.
PYTEST_ARGS ?= -n 4 --dist worksteal
NEWEST ?= python3.13
export PYTHON APT

.PHONY: install fmt check test test-fast test-newest test-tools fuzz campaign demo bench lock clean

install: ; @scripts/venv.sh test
fmt: install ; .venv/bin/ruff check --fix . && .venv/bin/ruff format .
check: install ; .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports
test-tools: install ; @scripts/debian-packages.sh && .venv/bin/python -m tests.support.install_postgres && .venv/bin/python -m tests.support.install_stack && .venv/bin/python -m tests.support.install_grafana_ui && .venv/bin/python -m tests.support.install_azurite && .venv/bin/python -m tests.support.install_oidc_provider && .venv/bin/python -m tests.support.install_helm
test: test-tools ; .venv/bin/pytest $(PYTEST_ARGS)
test-fast: install ; .venv/bin/pytest $(PYTEST_ARGS) tests/unit
# What needs no server, on the newest Python that we support, where that is installed.
test-newest: ; @if ! $(NEWEST) -c '' 2>/dev/null; then echo "$(NEWEST) is not installed: its tests are left out"; else PYTHON=$(NEWEST) VENV=.venv-newest scripts/venv.sh test && .venv-newest/bin/pytest $(PYTEST_ARGS) tests/unit tests/fuzz; fi
# The fuzzers of the tests, for longer and each time with other examples: make fuzz FUZZ_EXAMPLES=100000
fuzz: install ; FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-20000} .venv/bin/pytest -n 2 --timeout=0 tests/fuzz
# Kills at random moments for as long as you like: make campaign CAMPAIGN="--seed 1 --kills 5000"
campaign: test-tools ; .venv/bin/python -m tests.campaign $(CAMPAIGN)
demo: ; @scripts/venv.sh demo && exec .venv/bin/pgbackstop demo
bench: test-tools ; .venv/bin/python -m benchmarks
lock: ; @scripts/lock.sh
clean: ; rm -rf .venv .venv-newest dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov
