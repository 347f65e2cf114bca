"""What the exporter says, read by HTTP as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.system import http

# The four names of the specification.
LITERAL = ("backup_last_success_time", "backup_size_bytes", "backup_duration_seconds", "disk_free_bytes")
_TIMEOUT = 5.0  # seconds


def page(port: int, path: str = "/metrics") -> str | None:
    """A page of a part on this machine; None where it does not answer with one."""
    try:
        answer = http.ask(f"http://127.0.0.1:{port}{path}", timeout=_TIMEOUT)
    except http.NoAnswer:
        return None
    return answer.body.decode(errors="replace") if answer.is_good else None


def samples(text: str) -> list[Sample]:
    """The samples of a page in Prometheus's text format; none of what is another one's page."""
    try:
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError:
        return []


def value(found: list[Sample], name: str, **labels: str) -> float | None:
    """The value of the first sample of that name and those labels."""
    for sample in found:
        if sample.name == name and labels.items() <= sample.labels.items():
            return sample.value
    return None


def literal_values(found: list[Sample], plan: str, database: str) -> list[tuple[str, float]]:
    """The four of the specification with their values for one plan and database; disks know neither."""
    values = (
        (
            name,
            value(found, name)
            if name.startswith("disk")
            else value(found, name, plan=plan, database=database),
        )
        for name in LITERAL
    )
    return [(name, number) for name, number in values if number is not None]


def tells_of(found: list[Sample], backup: Backup) -> bool:
    """Whether the page holds this successful backup, or a newer one of its plan and database."""
    finished = backup.finished_at.timestamp() if backup.finished_at else 0.0
    told = value(found, LITERAL[0], plan=backup.plan, database=backup.database)
    # Both programs round the same time to floating point seconds.
    return told is not None and told >= finished - 0.001


def literal(text: str) -> list[str]:
    """The lines of a page that have the four metrics of the specification, as they were read."""
    lines = text.splitlines()
    return [line for name in LITERAL for line in lines if line.startswith((f"{name}{{", f"{name} "))]
