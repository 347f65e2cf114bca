"""What holds for every test: where it runs, what it may skip, and how a run ends."""

import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import hypothesis
import pytest

from tests.support import binaries, skips

pytest_plugins = ["tests.support.fixtures"]
pytest.register_assert_rewrite("tests.conformance")

HERE = Path(__file__).parent


# A busy machine must not fail a test: neither its examples nor what draws them have a time limit.
hypothesis.settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any speed")


def pytest_configure() -> None:
    """A SIGTERM ends the run like Ctrl-C: with its finalizers, so that no server stays."""
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell ignores these two for what it starts in the background, and what we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def pytest_report_header() -> list[str]:
    """What the run is against."""
    return [
        f"python: {platform.python_version()} on {platform.platform()}",
        *(f"postgresql {major}: {_postgresql(major)}" for major in binaries.MAJORS),
        f"promtool: {_promtool()}",
        f"a skip is {'a failure' if skips.required() else 'allowed'}",
    ]


def _postgresql(major: int) -> str:
    try:
        found = binaries.find(major)
    except binaries.NotInstalledError as error:
        return f"absent: {error}"
    return f"{found.version} ({found.origin})"


def _promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        return "absent: install Debian's prometheus"
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return (answer.stdout or answer.stderr).splitlines()[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's folder gives its marker, so that none is forgotten; the stack's tests come first.

    They wait for most of their ten minutes: begun last, they would keep a worker while the others are done.
    What is behind them in their worker's queue is stolen by the others (Makefile).
    """
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in {"integration", "acceptance"}:
            item.add_marker(folder)
    items.sort(key=lambda item: item.get_closest_marker("docker") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `root` skip for everybody else."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root: run as root on a machine where that is harmless")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Applies the rule of tests.support.skips to every test."""
    report = yield
    skips.enforce(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Applies the rule of tests.support.skips to modules that skip as a whole."""
    report = yield
    skips.enforce(report)
    return report
