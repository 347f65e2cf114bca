"""The metrics of disks, and of what lies on them for no plan: pure, from a snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions.attempts import Subject
from pgbackstop_exporter.families import plans
from pgbackstop_exporter.families.samples import Families, labels
from pgbackstop_exporter.metrics import storage_metrics
from pgbackstop_exporter.snapshot import CatalogFacts, Snapshot, disk_collector


def add(families: Families, snapshot: Snapshot) -> None:
    """Every disk whose last look ended well, and what the next runs need of each folder."""
    for path, facts in snapshot.disks.items():
        if not snapshot.is_up(disk_collector(path)):
            continue
        where = labels(path=path)
        families.add(storage_metrics.DISK_FREE, where, facts.free)
        families.add(storage_metrics.DISK_SIZE, where, facts.size)
        families.add(storage_metrics.DISK_INODES, where, facts.free_inodes)
        families.add(storage_metrics.DISK_READONLY, where, facts.is_readonly)
    if snapshot.catalog:
        for path, needed in _needed(snapshot, snapshot.catalog).items():
            families.add(storage_metrics.DISK_NEXT_RUNS, labels(path=path), needed)
        _add_unconfigured(families, snapshot, snapshot.catalog)


def _add_unconfigured(families: Families, snapshot: Snapshot, catalog: CatalogFacts) -> None:
    """What plans keep that are gone from the configuration."""
    for name in sorted(catalog.plans.keys() - snapshot.settings.config.plans.keys()):
        facts = catalog.plans[name]
        if any(facts.kept.values()):
            size = sum(each.stored_bytes for each in facts.histories.values())
            families.add(storage_metrics.UNCONFIGURED, labels(plan=name), size)


def _needed(snapshot: Snapshot, catalog: CatalogFacts) -> Mapping[str, float]:
    """Bytes by folder; a plan that never succeeded has no usual size and counts for nothing."""
    config = snapshot.settings.config
    needed: defaultdict[str, float] = defaultdict(float)
    for name, plan in config.plans.items():
        facts = catalog.plans.get(name)
        if not plan.enabled or facts is None:
            continue
        server = snapshot.servers.get(plan.server)
        subjects = (
            Subject(plan.server, database, plan.backup_type)
            for database in plans.databases(plan, facts, server.databases if server else None)
        )
        size = sum(facts.history(each).size_baseline or 0.0 for each in subjects)
        for folder in _folders(config, plan):
            needed[str(folder)] += size
    return needed


def _folders(config: Config, plan: Plan) -> Iterator[Path]:
    yield config.folder(plan.storage).path
    for name in plan.copies:
        storage = config.storages.get(name)
        if isinstance(storage, FolderStorage):
            yield storage.path
