"""The daemon's fixture, for disks that go away under it."""

from tests.integration.daemon.conftest import daemons

__all__ = ["daemons"]
