"""Whether a catalog in PostgreSQL is backed up itself: proofs, restores and failures are nowhere else."""

from __future__ import annotations

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.plan import Plan


def missing(config: Config) -> str:
    """A sentence where no plan of the configuration backs up the catalog's database; empty where one does."""
    place = config.catalog_database
    if place is None or any(_has(config, plan, place) for plan in config.plans.values()):
        return ""
    return (
        f"No plan here backs up the catalog's database {place.database} at {place.address}: add its "
        "server, by the same host and port, and a plan for it, on one of the hosts that share it."
    )


def _has(config: Config, plan: Plan, place: CatalogDatabase) -> bool:
    server = config.servers[plan.server]
    is_there = not set(server.address.split(", ")).isdisjoint(place.address.split(", "))
    is_chosen = plan.databases == "all" or place.database in plan.databases
    return is_there and is_chosen and place.database not in plan.exclude_databases and plan.enabled
