"""A database that takes a while to dump, and what an attempt that failed must have left."""

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from tests.support.backups import Site

# Random text does not compress: a dump of it is about as big as the table, and more than a pipe holds.
BULK = "CREATE TABLE bulk AS SELECT md5(n::text || '{seed}') AS t FROM generate_series(1, {rows}) AS n"


def failed(site: Site, plan_name: str, reason: Reason) -> Backup:
    """The newest attempt failed for that reason, and nothing of it is left."""
    made = site.newest(plan_name)
    assert (made.status, made.reason) == (Status.FAILED, reason), made.message
    assert made.location is None
    assert site.leftovers() == []
    assert not list(site.store.glob("backups/**/*.*"))
    return made
