"""Pages as tests read them: the samples of a snapshot by name and labels."""

from pgbackstop_exporter.families import servers
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.snapshot import Snapshot
from pgbackstop_exporter.web import page
from tests.support.factories import NOW

UNIX = NOW.timestamp()
Sample = tuple[str, dict[str, str], float]


def samples(snapshot: Snapshot, now: float = UNIX) -> list[Sample]:
    """Every sample that a scrape would see."""
    health = Families()
    servers.add_health(health, snapshot)
    return [
        (metric.name, dict(where.pairs), value)
        for families in (page.build(snapshot, now=now), health)
        for metric, found in families.at(now)
        for where, value in found
    ]


def values(snapshot: Snapshot, name: str, /, **labels: str) -> list[float]:
    """The values of all samples of that name that have these labels, at NOW."""
    return _of(samples(snapshot), name, labels)


def value(snapshot: Snapshot, name: str, /, **labels: str) -> float | None:
    """The one value of that name and labels at NOW; None where there is none."""
    return _one(_of(samples(snapshot), name, labels))


def value_at(now: float, snapshot: Snapshot, name: str, /, **labels: str) -> float | None:
    """The same at another moment, in Unix seconds."""
    return _one(_of(samples(snapshot, now), name, labels))


def _of(every: list[Sample], name: str, labels: dict[str, str]) -> list[float]:
    return [value for sample, found, value in every if sample == name and labels.items() <= found.items()]


def _one(found: list[float]) -> float | None:
    assert len(found) < 2, f"ambiguous: {found}"
    return found[0] if found else None
