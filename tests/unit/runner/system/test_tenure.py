"""How long a process and its children may go on."""

import os
import subprocess
import sys

import pytest

from pgbackstop_runner.system import tenure
from pgbackstop_runner.system.tenure import Tenure

LATER = 3600.0  # longer than any test


@pytest.fixture
def granted() -> Tenure:
    return Tenure.begin(tenure.now() + LATER)


def test_it_lasts_until_its_end(granted: Tenure) -> None:
    assert 0 < granted.left() <= LATER
    assert granted.extend(tenure.now() + 2 * LATER)
    assert granted.left() > LATER


def test_what_is_over_never_begins_again() -> None:
    over = Tenure.begin(tenure.now())
    assert over.left() == 0
    assert not over.extend(tenure.now() + LATER)
    assert over.left() == 0


def test_a_child_sees_what_its_parent_grants(granted: Tenure) -> None:
    script = (
        "import sys; from pgbackstop_runner.system.tenure import Tenure;"
        "seen = Tenure(int(sys.argv[1])); print(seen.left(), flush=True); sys.stdin.readline();"
        "print(seen.left())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(granted.descriptor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(granted.descriptor,),
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert 0 < float(child.stdout.readline()) <= LATER
        granted.extend(tenure.now() + 3 * LATER)
        print(file=child.stdin, flush=True)
        assert float(child.stdout.readline()) > 2 * LATER


def test_what_is_no_tenure_grants_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert Tenure(writing).left() == 0
        assert Tenure(os.memfd_create("empty")).left() == 0
    finally:
        os.close(writing)
