"""A jail whose outer process was killed leaves nothing that waits for ever."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pgbackstop_runner.system import orphans
from pgbackstop_runner.system.state_folder import StateFolder
from tests.support.backups import gone, until

BWRAP = shutil.which("bwrap")


@contextmanager
def jail(name: str = orphans.HOST_NAME) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """One outside and one inside, which waits before it runs anything, and does not die with its parent."""
    reading, writing = os.pipe()
    root = ["--ro-bind", "/", "/", "--unshare-pid", "--unshare-uts", "--hostname", name]
    argv = [str(BWRAP), *root, "--block-fd", str(reading), "--", "/bin/true"]
    with subprocess.Popen(argv, pass_fds=[reading]) as outer:
        if outer.poll() is not None:
            pytest.skip("bubblewrap makes no namespaces here")
        try:
            until(lambda: bool(psutil.Process(outer.pid).children()), "the process inside")
            (inner,) = psutil.Process(outer.pid).children()
            yield outer, inner
        finally:
            for descriptor in (reading, writing):
                os.close(descriptor)
            outer.kill()


@pytest.mark.skipif(BWRAP is None, reason="bubblewrap is not installed")
def test_it_is_ended_once_it_has_no_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with jail() as (outer, inner):
        orphans.end()
        assert inner.is_running()
        outer.kill()
        outer.wait()
        until(lambda: inner.pid in set(orphans.found()), "the orphan")
        StateFolder(tmp_path).sweep()  # as each start of an operation does
        until(lambda: gone([inner]), "the end of the orphan")


@pytest.mark.skipif(BWRAP is None, reason="bubblewrap is not installed")
def test_those_of_others_are_left_alone() -> None:
    with jail("another") as (outer, inner):
        outer.kill()
        outer.wait()
        orphans.end()
        assert inner.is_running()
        inner.kill()
