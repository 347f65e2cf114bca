"""The newest drills as a table: what was proven, and how long it took beside what the plan allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pgbackstop_catalog import units
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import times


def _columns() -> tuple[terminal.Column, ...]:
    return (
        terminal.Column(title="DRILL"),
        terminal.Column(title="PLAN"),
        terminal.Column(title="DATABASE"),
        terminal.Column(title="KIND"),
        terminal.Column(title=times.title("FINISHED")),
        terminal.Column(title="STATUS"),
        terminal.Column(title="RTO", right=True),
        terminal.Column(title="TARGET", right=True),
        terminal.Column(title="RPO", right=True),
        terminal.Column(title=times.title("PROVEN UNTIL")),
        terminal.Column(title="BACKUP"),
        terminal.Column(title="COPY IN"),
        terminal.Column(title="REASON"),
    )


def newest(catalog: Catalog, plan: str | None, database: str | None, limit: int) -> list[Proof]:
    """The newest drills, of that plan and database where they are named."""
    drills = (
        proof
        for proof in catalog.proofs(plan)
        if proof.proof == "drill" and database in {None, proof.database}
    )
    return list(islice(drills, limit))


def show(drills: Sequence[Proof], targets: Mapping[str, float]) -> None:
    """Print them; ``targets`` are the plans' rto_target in seconds."""
    terminal.table(_columns(), (tuple(_row(each, targets.get(each.plan))) for each in drills))


def line(proof: Proof) -> str:
    """What a drill found, in one line, beside the backup that it restored."""
    parts = [
        proof.status.value,
        times.sentence(proof.finished_at),
        f"in {units.format_duration(proof.duration_seconds)}" if proof.duration_seconds is not None else "",
        f"proven until {times.sentence(proof.proven_until)}" if proof.proven_until else "",
        f"would lose {units.format_duration(proof.rpo_seconds)}" if proof.rpo_seconds is not None else "",
        proof.message,
    ]
    return ", ".join(part for part in parts if part)


def _row(proof: Proof, target: float | None) -> Iterator[str]:
    good = proof.status is Status.SUCCEEDED
    yield proof.id
    yield proof.plan
    yield proof.database or "-"
    yield proof.drill or "drill"
    yield times.cell(proof.finished_at)
    yield proof.status.value
    yield _duration(proof.duration_seconds if good else None)
    late = good and target is not None and (proof.duration_seconds or 0.0) > target
    yield f"{_duration(target)}{' MISSED' if late else ''}"
    yield _duration(proof.rpo_seconds)
    yield times.cell(proof.proven_until)
    yield proof.backup
    yield proof.copy_in or "-"
    yield "" if good else f"{proof.reason or ''} {proof.message}".strip()[:100]


def _duration(seconds: float | None) -> str:
    return units.format_duration(seconds) if seconds is not None else ""
